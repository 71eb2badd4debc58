"""Traffic for the input topic: sending flow files, and generating messages from fitted profiles."""
