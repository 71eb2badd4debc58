"""Measurements of the whole stream on one machine; see README.md."""
