"""How long rows took from their Kafka record to their verdict, as counts that can be added up."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netheal.metrics import JOB_LATENCY

BOUNDS_S = JOB_LATENCY.bounds
"""Upper bounds of the buckets but the last, which has none."""
_US_PER_S = 1_000_000
_BOUNDS_US = np.array([round(bound * _US_PER_S) for bound in BOUNDS_S], np.int64)

Times = npt.NDArray[np.int64]
"""Microseconds since the epoch."""


class LatencyCounts(msgspec.Struct, frozen=True):
    """Rows in each of the `len(BOUNDS_S) + 1` buckets, and the sum of their latencies in seconds."""

    rows: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    total_s: float = 0.0

    def __add__(self, other: "LatencyCounts") -> "LatencyCounts":
        """Both together."""
        rows = tuple(a + b for a, b in zip(self.rows, other.rows, strict=True))
        return LatencyCounts(rows, self.total_s + other.total_s)


def record_times(verdicts: pa.Table) -> Times:
    """When the records of scored rows were made; a copy, which does not keep the rows themselves in memory."""
    times: Times = pc.cast(verdicts["recorded_at"], pa.int64()).to_numpy().copy()
    return times


def count_latencies(recorded_at: Sequence[Times], done_at: datetime) -> LatencyCounts:
    """Latencies of rows whose records have these times, all done at one time; one from the future has none."""
    if not recorded_at:
        return LatencyCounts()
    latencies = np.maximum(round(done_at.timestamp() * _US_PER_S) - np.concatenate(recorded_at), 0)
    return LatencyCounts(_in_buckets(latencies), float(latencies.sum(dtype=np.float64)) / _US_PER_S)


def _in_buckets(latencies_us: Times) -> tuple[int, ...]:
    buckets = np.searchsorted(_BOUNDS_US, latencies_us, side="left")
    return tuple(np.bincount(buckets, minlength=len(BOUNDS_S) + 1).tolist())


def added(counts: Iterable[LatencyCounts]) -> LatencyCounts:
    """All together."""
    return sum(counts, LatencyCounts())


def quantile_s(counts: LatencyCounts, share: float) -> float | None:
    """The upper bound of the bucket in which that share of the rows is reached; None for no rows.

    Of the last bucket its lower bound.
    """
    reached = list(accumulate(counts.rows))
    if not reached[-1]:
        return None
    bucket = next(at for at, rows in enumerate(reached) if rows >= share * reached[-1])
    return BOUNDS_S[min(bucket, len(BOUNDS_S) - 1)]
