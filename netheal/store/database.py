"""The Postgres database: migrations, connections, transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.errors import QueryCanceled

from netheal.errors import ServiceUnavailable, StreamRefused

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor


def migrate(dsn: str, revision: str = "head") -> None:
    """Bring the tables up to a revision, this version's unless told otherwise.

    Raises StreamRefused where the database is newer than the code, ServiceUnavailable where there is no server.
    """
    # Here, as every Spark worker imports this module and none migrates: the two take most of a second.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError
    from sqlalchemy.exc import OperationalError

    config = Config()
    config.set_main_option("script_location", "netheal.store:migrations")
    config.attributes["url"] = dsn.replace("postgresql://", "postgresql+psycopg2://", 1)
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StreamRefused(f"cannot migrate the database: {error}; is it a newer netheal's?") from error
    except OperationalError as error:
        raise ServiceUnavailable(f"Postgres does not answer: {str(error.orig).strip()}") from error


def connect(dsn: str, connect_timeout_s: int = 10, statement_timeout_s: float = 0.0) -> Connection:
    """A connection; raises ServiceUnavailable where there is no server.

    With a `statement_timeout_s` above 0, a statement that takes longer is ServiceUnavailable, and so is a server that
    the network cuts off for as long.
    """
    bounds: dict[str, Any] = {}
    if statement_timeout_s:
        bound_ms = round(statement_timeout_s * 1000)
        bounds = {"options": f"-c statement_timeout={bound_ms}", "tcp_user_timeout": bound_ms}
    try:
        made: Connection = psycopg2.connect(
            dsn, connect_timeout=connect_timeout_s, application_name="netheal", **bounds
        )
        return made
    except psycopg2.OperationalError as error:
        raise ServiceUnavailable(f"Postgres does not answer: {str(error).strip()}") from error


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """One transaction: committed at the end, rolled back on any exception; a lost server is ServiceUnavailable."""
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except QueryCanceled as error:
        raise ServiceUnavailable(f"Postgres is too slow: {str(error).strip()}") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise ServiceUnavailable(f"Postgres went away: {str(error).strip()}") from error
