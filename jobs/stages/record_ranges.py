"""The offsets of a micro-batch, shared out among its tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from netheal.store.ledger import BatchPins


class RecordRange(NamedTuple):
    """Offsets of one partition; `end` is exclusive."""

    partition: int
    start: int
    end: int


def shares(pins: BatchPins, tasks: int) -> list[list[RecordRange]]:
    """The batch's ranges in at most `tasks` shares of nearly as many offsets each, a partition cut where it must be.

    Ranges of one partition that are in different shares follow each other; no share is empty.
    """
    whole = [
        RecordRange(int(name), pins.start_offsets.get(name, 0), end) for name, end in sorted(pins.end_offsets.items())
    ]
    return _cut([found for found in whole if found.start < found.end], tasks)


def _cut(ranges: Sequence[RecordRange], tasks: int) -> list[list[RecordRange]]:
    total = sum(end - start for _, start, end in ranges)
    size = max(1, -(-total // tasks))
    found: list[list[RecordRange]] = []
    room = 0
    for partition, start, end in ranges:
        at = start
        while at < end:
            if not room:
                found.append([])
                room = size
            stop = min(end, at + room)
            found[-1].append(RecordRange(partition, at, stop))
            room -= stop - at
            at = stop
    return found
