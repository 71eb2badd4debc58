"""Bundles from outside, read as data: nothing of a file is ever executed."""
