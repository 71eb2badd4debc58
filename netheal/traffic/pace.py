"""Even pace: how many rows may go now."""

from collections.abc import Callable, Iterable, Iterator, Sequence

SLICE_S = 0.03
_LARGEST_SLICE = 10_000


def paced(
    rows: int | None,
    rate_per_s: float | None,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> Iterator[int]:
    """Sizes of slices, each given when it is due; they add up to `rows` (without end for None).

    A slice is due at start + rows before it / rate, on `clock` (monotonic, seconds); whoever is late gets
    the next slices at once until the schedule is met again. Without a rate all slices are due at once.
    """
    size = _LARGEST_SLICE if rate_per_s is None else max(1, min(_LARGEST_SLICE, round(rate_per_s * SLICE_S)))
    start, given = clock(), 0
    while rows is None or given < rows:
        if rate_per_s is not None:
            wait_s = start + given / rate_per_s - clock()
            if wait_s > 0:
                sleep(wait_s)
        step = size if rows is None else min(size, rows - given)
        given += step
        yield step


def in_slices[Item](chunks: Iterable[Sequence[Item]], slices: Iterator[int]) -> Iterator[Sequence[Item]]:
    """What is in `chunks`, parted so that each slice's number of items goes when the slice is due.

    A slice may have its items from several chunks.
    """
    due = 0
    for chunk in chunks:
        begin = 0
        while begin < len(chunk):
            due = due or next(slices)
            part = chunk[begin : begin + due]
            yield part
            begin += len(part)
            due -= len(part)
