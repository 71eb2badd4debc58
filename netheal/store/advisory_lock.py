"""Postgres' advisory locks, by name: one process at a time does a thing, and a dead one holds nothing."""

import time

from netheal.store.database import Connection, transaction

_PAUSE_S = 0.1
PATIENCE_S = 5.0
"""What is left of a process that was killed just now, Postgres lets go of within this time."""


def take_lock(connection: Connection, name: str, patience_s: float = PATIENCE_S) -> bool:
    """Take a lock that lives as long as `connection`; False where somebody else still holds it after `patience_s`."""
    limit = time.monotonic() + patience_s
    while True:
        with transaction(connection) as cursor:
            cursor.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
            if cursor.fetchone() == (True,):
                return True
        if time.monotonic() > limit:
            return False
        time.sleep(_PAUSE_S)


def release_lock(connection: Connection, name: str) -> None:
    """Let go of it before the connection ends."""
    with transaction(connection) as cursor:
        cursor.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
