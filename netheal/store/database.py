"""The Postgres database: migrations, connections, transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions

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
