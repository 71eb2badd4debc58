"""Flow messages read by compiled code: `scan` takes what is plain JSON, and leaves whatever is odd to others."""
