"""Connections to Postgres for threads that come and go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import sqlalchemy
from sqlalchemy.exc import OperationalError

from netheal.errors import ServiceUnavailable
from netheal.store.database import Connection

LENT_AT_MOST = 16
_KEPT = 8
WAIT_S = 10.0
_STATEMENT_MS = 20_000


class Pool:
    """Lends connections; a dead one is replaced before it is lent, one too many waits."""

    def __init__(self, dsn: str) -> None:
        self._free = threading.BoundedSemaphore(LENT_AT_MOST)
        self._engine = sqlalchemy.create_engine(
            dsn.replace("postgresql://", "postgresql+psycopg2://", 1),
            pool_size=_KEPT,
            max_overflow=LENT_AT_MOST - _KEPT,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 5,
                "application_name": "netheal-api",
                "options": f"-c statement_timeout={_STATEMENT_MS}",
            },
        )

    @contextmanager
    def connection(self, wait_s: float = WAIT_S) -> Iterator[Connection]:
        """A connection for one piece of work; raises ServiceUnavailable where none is free within `wait_s`, or made."""
        if not self._free.acquire(timeout=wait_s):
            raise ServiceUnavailable(f"all {LENT_AT_MOST} connections to Postgres are in use: try again soon")
        try:
            with self._lent() as connection:
                yield connection
        finally:
            self._free.release()

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        try:
            lent = self._engine.raw_connection()
        except (psycopg2.OperationalError, OperationalError) as error:
            raise ServiceUnavailable(f"Postgres does not answer: {str(error).splitlines()[0]}") from error
        try:
            yield lent.driver_connection  # type: ignore[misc]
        finally:
            lent.close()

    def close(self) -> None:
        """Close what is not lent."""
        self._engine.dispose()
