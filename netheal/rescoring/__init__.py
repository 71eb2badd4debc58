"""Verdicts over files and stored rows of any size, in runs that can be repeated and resumed."""
