"""Rejected rows of the hot window: a page of them, newest first, or one."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg2 import sql

from netheal.store.database import Connection
from netheal.store.predictions import Position
from netheal.store.read_transaction import BEFORE_EVENT, page, read_transaction


@dataclass(frozen=True)
class Rejected:
    """A rejected row: where it came from, why, and the first bytes of it.

    `replayed_at` and `replay_result`, `accepted` or `rejected`, are of its last replay, None where there was none.
    """

    event_id: int
    recorded_at: datetime
    batch_id: int
    topic: str
    partition: int
    offset: int
    reason: str
    field: str
    detail: str
    head: bytes | None
    replayed_at: datetime | None = None
    replay_result: str | None = None


@dataclass(frozen=True)
class RejectedFilter:
    """Which rejected rows; None is any. `since` is included, `until` is not."""

    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page_of_rejected(
    connection: Connection, wanted: RejectedFilter, before: Position | None = None, limit: int = 100
) -> list[Rejected]:
    """The newest `limit` rejected rows, of those before a position; raises TooBroad."""
    conditions = [condition for name, condition in _CONDITIONS.items() if getattr(wanted, name) is not None]
    if before is not None:
        conditions.append(BEFORE_EVENT)
    at, event_id = before or (None, None)
    parameters = {name: getattr(wanted, name) for name in _CONDITIONS} | {"at": at, "event_id": event_id}
    with read_transaction(connection) as cursor:
        cursor.execute(page(_SELECT, conditions, ("recorded_at", "event_id")), {**parameters, "limit": limit})
        return [_row(*row) for row in cursor.fetchall()]


def find_rejected(connection: Connection, event_id: int) -> Rejected | None:
    """The rejected row of an event, if it is in the hot window; raises TooBroad."""
    with read_transaction(connection) as cursor:
        cursor.execute(sql.SQL("{} where event_id = %s limit 1").format(_SELECT), (event_id,))
        row = cursor.fetchone()
    return None if row is None else _row(*row)


def with_replay(connection: Connection, row: Rejected) -> Rejected:
    """A row of the archive, with what became of it in its last replay."""
    with read_transaction(connection) as cursor:
        cursor.execute(
            "select replayed_at, result from replayed where event_id = %s and result <> 'open'", (row.event_id,)
        )
        replayed_at, result = cursor.fetchone() or (None, None)
    return replace(row, replayed_at=replayed_at, replay_result=result)


def _row(*columns: Any) -> Rejected:
    found = Rejected(*columns)
    return found if found.head is None else replace(found, head=bytes(found.head))


_COLUMNS = (
    "event_id",
    "recorded_at",
    "batch_id",
    "topic",
    "partition",
    "offset",
    "reason",
    "field",
    "detail",
    "head",
)
_REPLAY = "(select {} from replayed r where r.event_id = rejected.event_id and r.result <> 'open')"
_SELECT = sql.SQL("select {}, {}, {} from rejected").format(
    sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    *(sql.SQL(_REPLAY).format(sql.Identifier("r", column)) for column in ("replayed_at", "result")),
)
_CONDITIONS = {
    "reason": sql.SQL("reason = %(reason)s"),
    "since": sql.SQL("recorded_at >= %(since)s"),
    "until": sql.SQL("recorded_at < %(until)s"),
}
