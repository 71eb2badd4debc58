"""The Postgres database: migrations, connections, day partitions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import psycopg2
import psycopg2.extensions
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from psycopg2 import sql
from sqlalchemy.exc import OperationalError

from netheal.errors import ServiceUnavailable, StreamRefused

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor

PARTITIONED = ("verdicts", "rejected")
HOT_WINDOW_DAYS = 7
DAYS_AHEAD = 2


def migrate(dsn: str) -> None:
    """Bring the tables up to this version.

    Raises StreamRefused where the database is newer than the code, ServiceUnavailable where there is no server.
    """
    config = Config()
    config.set_main_option("script_location", "netheal.store:migrations")
    config.attributes["url"] = dsn.replace("postgresql://", "postgresql+psycopg2://", 1)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StreamRefused(f"cannot migrate the database: {error}; is it a newer netheal's?") from error
    except OperationalError as error:
        raise ServiceUnavailable(f"Postgres does not answer: {str(error.orig).strip()}") from error


def connect(dsn: str) -> Connection:
    """A connection; raises ServiceUnavailable where there is no server."""
    try:
        return psycopg2.connect(dsn, connect_timeout=10, application_name="netheal")
    except psycopg2.OperationalError as error:
        raise ServiceUnavailable(f"Postgres does not answer: {str(error).strip()}") from error


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """One transaction: committed at the end, rolled back on any exception; a lost server is ServiceUnavailable."""
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise ServiceUnavailable(f"Postgres went away: {str(error).strip()}") from error


def ensure_partitions(connection: Connection, today: date | None = None) -> None:
    """Make the day partitions of the hot window and the days ahead.

    A day of which rows lie in the default partition already stays there: a replay meets the same rows.
    """
    today = today or datetime.now(UTC).date()
    with transaction(connection) as cursor:
        for table in PARTITIONED:
            for offset in range(-HOT_WINDOW_DAYS, DAYS_AHEAD + 1):
                _ensure_day(cursor, table, today + timedelta(days=offset))


def _ensure_day(cursor: Cursor, table: str, day: date) -> None:
    name = f"{table}_{day:%Y%m%d}"
    bounds = (datetime(day.year, day.month, day.day, tzinfo=UTC),) * 2
    low, high = bounds[0], bounds[1] + timedelta(days=1)
    default = sql.Identifier(f"{table}_default")
    cursor.execute("select to_regclass(%s)", (name,))
    if cursor.fetchone() != (None,):
        return
    held = sql.SQL("select exists (select 1 from {} where recorded_at >= %s and recorded_at < %s)").format(default)
    cursor.execute(held, (low, high))
    if cursor.fetchone() == (True,):
        return
    create = sql.SQL("create table {} partition of {} for values from (%s) to (%s)")
    cursor.execute(create.format(sql.Identifier(name), sql.Identifier(table)), (low, high))
