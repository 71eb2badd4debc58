"""What a value is."""

ODD, ABSENT, TEXT, INTEGER, DECIMAL = -1, 0, 1, 2, 3
"""Nothing that the scan reads, null, a string, an integer that Python would write as it stands, another number."""
