"""The outage of a full disk, kept in memory until PostgreSQL, which may be its first victim, can record it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from netheal.host.disk import DiskSpace
from netheal.store.database import Connection
from netheal.store.outages import begin_outage, end_outage

SUBJECT = "disk"


@dataclass(frozen=True)
class _Change:
    at: datetime
    full: DiskSpace | None


class DiskOutage:
    """Notes when a disk was full and when there was room again; written in order, each change once."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._full: bool | None = None
        self._unwritten: list[_Change] = []

    def note(self, full: DiskSpace | None) -> None:
        """What a look found; the first one counts as a change, as an earlier run may have left an outage open."""
        if self._full != (full is not None):
            self._full = full is not None
            self._unwritten.append(_Change(self._clock(), full))

    def write(self, connection: Connection) -> None:
        """Record what is not recorded yet; raises ServiceUnavailable, and what is left is for the next call."""
        while self._unwritten:
            change = self._unwritten[0]
            if change.full is None:
                end_outage(connection, SUBJECT, change.at)
            else:
                space = change.full
                details = {"path": str(space.path), "free_bytes": space.free_bytes, "total_bytes": space.total_bytes}
                begin_outage(connection, SUBJECT, str(space), change.at, details)
            del self._unwritten[0]
