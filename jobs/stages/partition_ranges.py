"""The offsets of a micro-batch, shared out among its tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from netheal.store.ledger import BatchPins


class PartitionRange(NamedTuple):
    """A range of offsets, and the partition that it is of; `end` is exclusive."""

    partition: int
    start: int
    end: int


Share = list[PartitionRange]
"""What one task reads of a micro-batch."""


def shares(pins: BatchPins, tasks: int) -> list[Share]:
    """The batch's ranges in at most `tasks` shares of nearly as many offsets each, a partition cut where it must be.

    Ranges of one partition that are in different shares follow each other; no share is empty.
    """
    starts, ends = pins.start_offsets, sorted(pins.end_offsets.items())
    planned = [PartitionRange(int(name), starts.get(name, 0), end) for name, end in ends]
    return _split([one for one in planned if one.start < one.end], tasks)


def _split(ranges: Sequence[PartitionRange], tasks: int) -> list[Share]:
    total = sum(end - start for _, start, end in ranges)
    share_size = max(1, -(-total // tasks))
    found: list[Share] = []
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
