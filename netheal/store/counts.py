"""The counts of verdicts and rejected rows: in total, and the stream's by the minute, kept together with the rows."""

from collections.abc import Mapping
from itertools import chain

from psycopg2.extras import execute_values

from netheal.store.database import Cursor

Counts = Mapping[tuple[int, str, str], int]
"""(minute as seconds since the epoch, kind, name) -> rows."""

_MINUTE = "(to_timestamp(%s), %s, %s, %s)"
_ADD_MINUTES = (
    "insert into minute_counts (minute, kind, name, n) values %s"
    " on conflict (minute, kind, name) do update set n = minute_counts.n + excluded.n"
)
_ADD_TOTALS = (
    "insert into total_counts (kind, name, n) values %s"
    " on conflict (kind, name) do update set n = total_counts.n + excluded.n"
)


def add_counts(cursor: Cursor, counts: Counts, totals_alone: Counts | None = None) -> None:
    """Add the stream's to both tables, in the caller's transaction, which is to end soon: other writers wait for it.

    `totals_alone` are added to the totals, as by `add_totals`.
    """
    if counts:
        execute_values(cursor, _ADD_MINUTES, [(*key, n) for key, n in sorted(counts.items())], _MINUTE)
    add_totals(cursor, counts, totals_alone or {})


def add_totals(cursor: Cursor, *counts: Counts) -> None:
    """Add to the totals alone: a file of old flows is no traffic of the minute in which it is uploaded.

    Always in the same order, so that the stream and an upload cannot wait for each other.
    """
    totals: dict[tuple[str, str], int] = {}
    for (_, kind, name), n in chain.from_iterable(part.items() for part in counts):
        totals[kind, name] = totals.get((kind, name), 0) + n
    if not totals:
        return
    execute_values(cursor, _ADD_TOTALS, [(*key, n) for key, n in sorted(totals.items())])
