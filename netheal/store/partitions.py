"""The days that Postgres serves: partitions made ahead, and dropped once Delta alone is to have their rows.

A row of a day without a partition goes to the default one. So a replayed batch always finds a place, also where its
day was dropped between its tries; what lies there and is too old is deleted piece by piece.

No change of a partition waits longer for readers and writers than `_PATIENCE_MS`, as all that come later would queue
behind it: a table that is in use is left for the next call.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from psycopg2 import sql
from psycopg2.errors import LockNotAvailable

from netheal.errors import NethealError
from netheal.store.database import Connection, Cursor, transaction
from netheal.telemetry import emit

PARTITIONED = ("verdicts", "rejected")
SERVING_DAYS = 7
"""Days before today whose rows are kept, unless the settings say otherwise."""
DAYS_BACK = 7
DAYS_AHEAD = 2
"""Only days near today are made: of a window of months, older rows than these come late, and few."""
_PATIENCE_MS = 500
_PIECE_ROWS = 20_000
_DELETING_S = 2.0
_DAY = timedelta(days=1)


class _InUse(NethealError):
    """Somebody reads or writes what was to be changed."""


def serving_since(days: int = SERVING_DAYS, today: date | None = None) -> datetime:
    """The earliest `recorded_at` that Postgres serves: the beginning, in UTC, of the day `days` days ago."""
    return _midnight((today or datetime.now(UTC).date()) - days * _DAY)


def maintain_partitions(connection: Connection, days: int = SERVING_DAYS, today: date | None = None) -> None:
    """Make what is missing, drop what is too old; to be called about once a minute.

    A batch may be open beside it, also one whose rows are dropped. Raises ServiceUnavailable where Postgres is away.
    """
    ensure_partitions(connection, days, today)
    oldest = serving_since(days, today)
    for table in PARTITIONED:
        for day in expired_days(connection, table, oldest):
            _drop_day(connection, table, day)
        _delete_strays(connection, table, oldest)
    with transaction(connection) as cursor:
        cursor.execute("delete from minute_counts where minute < %s", (oldest,))


def ensure_partitions(connection: Connection, days: int = SERVING_DAYS, today: date | None = None) -> None:
    """Make the day partitions of the last days that are served, and of the days ahead.

    A day of which rows lie in the default partition already stays there: a replay meets the same rows.
    """
    for table in PARTITIONED:
        for day in missing_days(connection, table, days, today):
            _make_day(connection, table, day)


def missing_days(connection: Connection, table: str, days: int, today: date | None = None) -> list[date]:
    """The days near today that have no partition, though rows of the default one may be why."""
    back = min(days, DAYS_BACK)
    first = serving_since(back, today).date()
    there = _days(connection, table)
    wanted = (first + number * _DAY for number in range(back + DAYS_AHEAD + 1))
    return [day for day in wanted if day not in there]


def expired_days(connection: Connection, table: str, oldest: datetime) -> list[date]:
    """The days that have a partition, and lie before the oldest one that is served."""
    return sorted(day for day in _days(connection, table) if day < oldest.date())


def count_strays(connection: Connection, table: str, oldest: datetime) -> int:
    """Rows of the default partition that are too old."""
    default = sql.Identifier(f"{table}_default")
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("select count(*) from {} where recorded_at < %s").format(default), (oldest,))
        (found,) = cursor.fetchone() or (0,)
    return int(found)


def _make_day(connection: Connection, table: str, day: date) -> None:
    bounds = _midnight(day), _midnight(day + _DAY)
    default = sql.Identifier(f"{table}_default")
    held = sql.SQL("select exists (select 1 from {} where recorded_at >= %s and recorded_at < %s)").format(default)
    create = sql.SQL("create table {} partition of {} for values from (%s) to (%s)")
    with _briefly(connection, f"{table} of {day}") as cursor:
        cursor.execute(held, bounds)
        if cursor.fetchone() == (False,):
            cursor.execute(create.format(_partition(table, day), sql.Identifier(table)), bounds)


def _drop_day(connection: Connection, table: str, day: date) -> None:
    # Detaching without a lock on the table is not to be had beside a default partition.
    with _briefly(connection, f"{table} of {day}") as cursor:
        cursor.execute(sql.SQL("drop table {}").format(_partition(table, day)))
        emit("partition.dropped", table=table, day=day.isoformat())


def _delete_strays(connection: Connection, table: str, oldest: datetime) -> None:
    """Rows of the default partition, for a bounded time; the next call goes on."""
    default = sql.Identifier(f"{table}_default")
    delete = sql.SQL(
        "delete from {0} where ctid = any (array(select ctid from {0} where recorded_at < %s limit %s))"
    ).format(default)
    limit = time.monotonic() + _DELETING_S
    while time.monotonic() < limit:
        with transaction(connection) as cursor:
            cursor.execute(delete, (oldest, _PIECE_ROWS))
            if cursor.rowcount < _PIECE_ROWS:
                return


def _days(connection: Connection, table: str) -> set[date]:
    """Those that have a partition."""
    with transaction(connection) as cursor:
        cursor.execute("select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass", (table,))
        names = [name for (name,) in cursor.fetchall()]
    found = (re.fullmatch(rf"{table}_(\d{{8}})", name) for name in names)
    return {datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date() for match in found if match}


def _partition(table: str, day: date) -> sql.Identifier:
    return sql.Identifier(f"{table}_{day:%Y%m%d}")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@contextmanager
def _briefly(connection: Connection, what: str) -> Iterator[Cursor]:
    """A transaction that is given up, and so left for the next call, where it would have to wait for others."""
    try:
        with transaction(connection) as cursor:
            cursor.execute("set local lock_timeout = %s", (_PATIENCE_MS,))
            try:
                yield cursor
            except LockNotAvailable as error:
                raise _InUse(what) from error
    except _InUse:
        emit("partition.in_use", partition=what)
