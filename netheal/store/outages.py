"""Outages: what was away or lost, from when until when. At most one is open for each subject."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

from netheal.store.database import Connection, Cursor, transaction
from netheal.store.read_transaction import page, read_transaction


@dataclass(frozen=True)
class Outage:
    """An outage; `ended_at` is None while it lasts. `subject` is a word such as `broker`, `postgres`, `job`, `disk`."""

    id: int
    subject: str
    reason: str
    details: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None


def begin_outage(
    connection: Connection, subject: str, reason: str, started_at: datetime, details: dict[str, Any] | None = None
) -> None:
    """Record that an outage of a subject began; where one is open already it stays as it is."""
    with transaction(connection) as cursor:
        cursor.execute(
            "insert into outages (subject, reason, details, started_at) values (%s, %s, %s, %s)"
            " on conflict (subject) where ended_at is null do nothing",
            (subject, reason, Json(details or {}), started_at),
        )


def end_outage(connection: Connection, subject: str, ended_at: datetime) -> None:
    """Record that the open outage of a subject is over; nothing where none is open."""
    with transaction(connection) as cursor:
        close_outage(cursor, subject, ended_at)


def close_outage(cursor: Cursor, subject: str, ended_at: datetime) -> None:
    """The same, in the caller's transaction."""
    cursor.execute(
        "update outages set ended_at = greatest(started_at, %s) where subject = %s and ended_at is null",
        (ended_at, subject),
    )


def record_outage(
    connection: Connection,
    subject: str,
    reason: str,
    started_at: datetime,
    ended_at: datetime,
    details: dict[str, Any] | None = None,
) -> None:
    """Record an outage that is over, such as one of Postgres itself, or offsets that retention took away."""
    with transaction(connection) as cursor:
        add_outage(cursor, subject, reason, started_at, ended_at, details)


def add_outage(
    cursor: Cursor,
    subject: str,
    reason: str,
    started_at: datetime,
    ended_at: datetime,
    details: dict[str, Any] | None = None,
) -> None:
    """The same, in the caller's transaction."""
    cursor.execute(
        "insert into outages (subject, reason, details, started_at, ended_at) values (%s, %s, %s, %s, %s)",
        (subject, reason, Json(details or {}), started_at, ended_at),
    )


def page_of_outages(connection: Connection, before: int | None = None, limit: int = 100) -> list[Outage]:
    """The newest `limit` outages, of those with an id below `before`; raises TooBroad."""
    conditions: list[sql.Composable] = [sql.SQL("id < %(before)s")] if before is not None else []
    with read_transaction(connection) as cursor:
        return _read(cursor, conditions, {"before": before, "limit": limit})


def open_outages(connection: Connection) -> list[Outage]:
    """Those that last, at most one a subject."""
    with transaction(connection) as cursor:
        return _read(cursor, [sql.SQL("ended_at is null")], {"limit": _MOST_OPEN})


def outages_of_last_day(cursor: Cursor, limit: int = 100) -> list[Outage]:
    """The newest `limit` of those that lasted into the last 24 hours, or last, in the caller's transaction."""
    lately = sql.SQL("(ended_at is null or ended_at > clock_timestamp() - interval '1 day')")
    return _read(cursor, [lately], {"limit": limit})


def outages_to_tell(cursor: Cursor, past: int, going_on: list[int]) -> list[Outage]:
    """Those with an id above `past`, and those named, by id, in the caller's transaction."""
    cursor.execute(
        _OUTAGES + sql.SQL(" where id > %s or id = any(%s) order by id"),
        (past, going_on),
    )
    return [Outage(*row) for row in cursor.fetchall()]


def _read(cursor: Cursor, conditions: list[sql.Composable], parameters: dict[str, Any]) -> list[Outage]:
    cursor.execute(page(_OUTAGES, conditions, ("id",)), parameters)
    return [Outage(*row) for row in cursor.fetchall()]


_MOST_OPEN = 100
_OUTAGES = sql.SQL("select id, subject, reason, details, started_at, ended_at from outages")
