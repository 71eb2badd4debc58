"""Reading for people who wait: a time limit, and indexes in their order rather than a sort of everything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.errors import QueryCanceled

from netheal.errors import QueryTooBroad
from netheal.store.database import Connection, Cursor, transaction

READING_MS = 5_000
BEFORE_EVENT = sql.SQL("(recorded_at, event_id) < (%(at)s, %(event_id)s) and recorded_at <= %(at)s")
"""Of the tables parted by day: what comes after (at, event_id) in a page. The second half leaves partitions out."""


@contextmanager
def read_transaction(connection: Connection, limit_ms: int = READING_MS, snapshot: bool = False) -> Iterator[Cursor]:
    """A transaction whose statements may take `limit_ms` each; raises QueryTooBroad where one takes longer.

    Sorting is the planner's last resort in it, so that a page is read off an index and stops when it is full.
    With `snapshot`, all its statements see the database as of the first of them.
    """
    with transaction(connection) as cursor:
        try:
            if snapshot:
                cursor.execute("set transaction isolation level repeatable read, read only")
            cursor.execute("set local statement_timeout = %s; set local enable_sort = off", (limit_ms,))
            yield cursor
        except QueryCanceled as error:
            raise QueryTooBroad(
                f"no answer within {limit_ms / 1000:g} s: narrow the time range by since and until, or drop a filter"
            ) from error


def page(select: sql.Composable, conditions: Sequence[sql.Composable], order: tuple[str, ...]) -> sql.Composed:
    """`select … where … order by … desc limit %(limit)s`, the same direction for each column of the order."""
    where = sql.SQL(" and ").join(conditions or [sql.SQL("true")])
    descending = sql.SQL(", ").join(sql.SQL("{} desc").format(sql.Identifier(column)) for column in order)
    return sql.SQL("{} where {} order by {} limit %(limit)s").format(select, where, descending)
