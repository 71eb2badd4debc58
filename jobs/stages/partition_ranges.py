"""The offsets of a micro-batch, shared out among its tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from netheal.store.ledger import BatchPins


class PartitionRange(NamedTuple):
    """Offsets of one partition; `end` is exclusive."""

    partition: int
    start: int
    end: int


def shares(pins: BatchPins, tasks: int) -> list[list[PartitionRange]]:
    """The batch's ranges in at most `tasks` shares of nearly as many offsets each, a partition cut where it must be.

    Ranges of one partition that are in different shares follow each other; no share is empty.
    """
    planned = [
        PartitionRange(int(name), pins.start_offsets.get(name, 0), end) for name, end in sorted(pins.end_offsets.items())
    ]
    return _split([one for one in planned if one.start < one.end], tasks)


def _split(ranges: Sequence[PartitionRange], tasks: int) -> list[list[PartitionRange]]:
    total = sum(end - start for _, start, end in ranges)
    share_size = max(1, -(-total // tasks))
    found: list[list[PartitionRange]] = []
    free = 0
    """Offsets that the last share still takes."""
    for partition, start, end in ranges:
        while start < end:
            if not free:
                found.append([])
                free = share_size
            stop = min(end, start + free)
            found[-1].append(PartitionRange(partition, start, stop))
            free -= stop - start
            start = stop
    return found
