"""Offsets of a topic, by partition."""

from typing import NamedTuple

Offsets = dict[str, int]
"""Kafka partition (as a string) -> offset."""


class OffsetRange(NamedTuple):
    """A range of offsets of one partition; `end` is exclusive."""

    start: int
    end: int


OffsetRanges = dict[str, OffsetRange]
"""Kafka partition (as a string) -> a range of its offsets."""
