"""Connections to Postgres for threads that come and go."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from netheal.errors import ServiceUnavailable
from netheal.store.database import Connection

_SIZE = 8
_MORE = 8
_WAIT_S = 10.0
_STATEMENT_MS = 20_000


class Pool:
    """Lends connections; a dead one is replaced before it is lent, one too many waits."""

    def __init__(self, dsn: str) -> None:
        self._engine = sqlalchemy.create_engine(
            dsn.replace("postgresql://", "postgresql+psycopg2://", 1),
            pool_size=_SIZE,
            max_overflow=_MORE,
            pool_timeout=_WAIT_S,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 5,
                "application_name": "netheal-api",
                "options": f"-c statement_timeout={_STATEMENT_MS}",
            },
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for one piece of work; raises ServiceUnavailable where there is none to be had."""
        try:
            lent = self._engine.raw_connection()
        except (psycopg2.OperationalError, OperationalError, PoolTimeout) as error:
            raise ServiceUnavailable(f"Postgres does not answer: {str(error).splitlines()[0]}") from error
        try:
            yield lent.driver_connection  # type: ignore[misc]
        finally:
            lent.close()

    def close(self) -> None:
        """Close what is not lent."""
        self._engine.dispose()
