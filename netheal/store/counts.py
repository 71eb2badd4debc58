"""The counts that `/predictions/stats` reads: kept per minute and in total, in the transaction of what is counted."""

from collections.abc import Mapping

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


def add_counts(cursor: Cursor, counts: Counts) -> None:
    """Add to both tables, in the caller's transaction, which is to end soon: other writers wait for it.

    Always in the same order, so that the stream and an upload cannot wait for each other.
    """
    if not counts:
        return
    totals: dict[tuple[str, str], int] = {}
    for (_, kind, name), n in counts.items():
        totals[kind, name] = totals.get((kind, name), 0) + n
    minutes = [(*key, n) for key, n in sorted(counts.items())]
    execute_values(cursor, _ADD_MINUTES, minutes, _MINUTE)
    execute_values(cursor, _ADD_TOTALS, [(*key, n) for key, n in sorted(totals.items())])
