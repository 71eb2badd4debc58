"""What people hand in: flow files to be scored, and model bundles to be checked and kept."""
