"""Which times a record may have: those that every sink and every reader of it can hold."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.records.reasons import Rejection, RejectionReason

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2262, 1, 1, tzinfo=UTC)
"""Kafka's times begin in 1970 (-1 is its word for none). Of what a row goes through, Arrow's date32, PostgreSQL's
timestamptz and Delta's statistics reach furthest, Python's datetime ends with the year 9999 (a time zone's width
earlier where a session is not in UTC), and the nanoseconds of pandas, which a notebook reads Delta with, in 2262."""

_FIELD = "timestamp"
_US_PER_MS = 1_000


def _microseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000


_EARLIEST_US = _microseconds(EARLIEST)
_END_US = _microseconds(END)


def unusable(timestamps: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Where times in microseconds, UTC, are before `EARLIEST`, not before `END` or null; None where none is."""
    values = _as_integers(timestamps)
    if not len(values) or (values.min() >= _EARLIEST_US and values.max() < _END_US):
        return None
    return (values < _EARLIEST_US) | (values >= _END_US)


def reject_unusable(timestamps: pa.Array) -> list[Rejection]:
    """A rejection for each of these times, of which none is usable."""
    return [
        Rejection(position, RejectionReason.BAD_TIMESTAMP, _FIELD, _told(int(value)))
        for position, value in enumerate(_as_integers(timestamps))
    ]


def _as_integers(timestamps: pa.Array) -> npt.NDArray[np.int64]:
    """Microseconds since 1970; a null is before all times."""
    values = timestamps.view(pa.int64())
    if values.null_count:
        values = values.fill_null(np.iinfo(np.int64).min)
    integers: npt.NDArray[np.int64] = values.to_numpy()
    return integers


def _told(microseconds: int) -> str:
    milliseconds = microseconds // _US_PER_MS
    if milliseconds == -1:
        return "the record has no timestamp (-1)"
    return f"{milliseconds} ms since 1970 is not in {EARLIEST:%Y-%m-%d} to {END:%Y-%m-%d}"
