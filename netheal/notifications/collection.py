"""From the sources into the outbox: one transaction a source, which also moves its position."""

from collections.abc import Sequence
from datetime import datetime

from netheal.notifications.source import Source
from netheal.store.database import Connection, transaction
from netheal.store.notifications import prune, read_position, store_collected
from netheal.telemetry import emit


def collect(connection: Connection, sources: Sequence[Source], now: datetime) -> None:
    """Collect what is new in each source. Raises ServiceUnavailable; a kill at any time loses and repeats nothing."""
    for source in sources:
        while _collect_piece(connection, source, now):
            pass
    with transaction(connection) as cursor:
        prune(cursor, now)


def _collect_piece(connection: Connection, source: Source, now: datetime) -> bool:
    """Whether there is more."""
    with transaction(connection) as cursor:
        position = read_position(cursor, source.name)
        found = source.collect(cursor, position)
        if found.position != position:
            store_collected(cursor, source.name, found.position, found.notifications, now)
    if found.notifications:
        emit("notification.collected", source=source.name, notifications=len(found.notifications))
    return found.more
