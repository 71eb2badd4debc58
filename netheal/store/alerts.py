"""What an administrator was alerted of, and the policies that verdicts were decided by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql

from netheal.errors import NotFound
from netheal.store.database import Connection, Cursor
from netheal.store.read_transaction import page, read_transaction


@dataclass(frozen=True)
class Alert:
    """An alert; `model_id` is the model that it is about."""

    id: int
    at: datetime
    action_type: str
    description: str
    params: dict[str, Any]
    status: str
    model_id: int | None


@dataclass(frozen=True)
class StoredPolicy:
    """A healing policy as it was when a batch or a file was pinned to it."""

    version: str
    document: dict[str, Any]
    first_used_at: datetime


def page_of_alerts(connection: Connection, before: int | None = None, limit: int = 100) -> list[Alert]:
    """The newest `limit` alerts, of those with an id below `before`."""
    conditions: list[sql.Composable] = [sql.SQL("id < %(before)s")] if before is not None else []
    with read_transaction(connection) as cursor:
        cursor.execute(page(_ALERTS, conditions, ("id",)), {"before": before, "limit": limit})
        return [Alert(*row) for row in cursor.fetchall()]


def alerts_after(cursor: Cursor, last_id: int | None, limit: int) -> list[Alert]:
    """The first `limit` alerts behind `last_id`, or with None the newest `limit`, in the caller's transaction."""
    where = "where id > %(last)s order by id" if last_id is not None else "order by id desc"
    cursor.execute(_ALERTS + sql.SQL(f" {where} limit %(limit)s"), {"last": last_id, "limit": limit})
    return [Alert(*row) for row in cursor.fetchall()]


def find_policy(connection: Connection, version: str) -> StoredPolicy:
    """A policy by its version; raises NotFound."""
    with read_transaction(connection) as cursor:
        cursor.execute("select version, document, first_used_at from policies where version = %s", (version,))
        row = cursor.fetchone()
    if row is None:
        raise NotFound(f"no batch was decided by a policy {version}: GET /api/v1/batches says which there were")
    return StoredPolicy(*row)


_ALERTS = sql.SQL("select id, at, action_type, description, params, status, model_id from alerts")
