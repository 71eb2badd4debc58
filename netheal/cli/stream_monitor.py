"""Looks at the stream from a thread of its own, so that nobody who shows or decides waits for a service."""

import threading
import time
from dataclasses import dataclass, field

import psycopg2

from netheal.cli.disk_outage import DiskOutage
from netheal.cli.status import Status, StatusReader
from netheal.errors import ServiceUnavailable, reason_of
from netheal.host.disk import DiskSpace, DiskWatch, written_folders
from netheal.settings import Settings
from netheal.shutdown_budget import WATCH_S
from netheal.telemetry import emit

_BROKER_S = 2.0
_PAUSE_S = 0.5


@dataclass(frozen=True)
class StreamSnapshot:
    """What the last look found. Times are monotonic seconds; `trouble` says why `status` is an older one.

    `began_at` is when that status began to be read: what happened before is in it.
    """

    status: Status = field(default_factory=Status)
    began_at: float = 0.0
    trouble: str = ""
    trouble_since: float | None = None
    disk: DiskSpace | None = None


class StreamMonitor:
    """Looks again and again until it is closed; `look` is the newest answer, and there at once."""

    def __init__(self, settings: Settings) -> None:
        self.look = StreamSnapshot()
        self._settings = settings
        self._disks = DiskWatch(written_folders(settings))
        self._outage = DiskOutage()
        self._reader: StatusReader | None = None
        self._noted: dict[str, str] = {}
        self._tables_made = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream-watch", daemon=True)

    def start(self) -> None:
        """Watch the disks; returns at once."""
        self._thread.start()

    def tables_made(self) -> None:
        """Watch the stream, too: its tables and topics are there."""
        self._tables_made.set()

    def close(self) -> None:
        """Look no more; a look that a service holds up is left to itself."""
        self._ending.set()
        self._thread.join(WATCH_S)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._look_at_disks()
            if self._tables_made.is_set():
                self._look_at_stream()
            self._ending.wait(_PAUSE_S)
        if self._reader is not None:
            self._reader.close()

    def _look_at_disks(self) -> None:
        """A disk that cannot be looked at stays as it was: the rows go on without it being known."""
        try:
            full = self._disks.full()
        except Exception as error:  # noqa: BLE001 - the stream is to be looked at all the same
            self._note("disk", error)
            return
        self._noted.pop("disk", None)
        if (full is None) != (self.look.disk is None):
            emit("disk.free_again" if full is None else "disk.full", reason=str(full or self.look.disk))
        self._outage.note(full)
        self._set(disk=full)

    def _look_at_stream(self) -> None:
        began_at = time.monotonic()
        try:
            if self._reader is None:
                self._reader = StatusReader(self._settings, _BROKER_S)
            status = self._reader.read()
            self._outage.write(self._reader.connection())
        except Exception as error:  # noqa: BLE001 - shown, whatever it is: without a look nothing is ever drained
            if not isinstance(error, ServiceUnavailable | psycopg2.Error):
                self._note("stream", error)
            self._set(trouble=reason_of(error), trouble_since=self.look.trouble_since or began_at)
        else:
            self._noted.pop("stream", None)
            self._set(status=status, began_at=began_at, trouble="", trouble_since=None)

    def _note(self, subject: str, error: Exception) -> None:
        """Log what a look failed with, once until it is another."""
        reason = reason_of(error)
        if self._noted.get(subject) != reason:
            self._noted[subject] = reason
            emit("thread.failed", thread=self._thread.name, reason=reason, exc_info=error)

    def _set(self, **changed: object) -> None:
        self.look = StreamSnapshot(**{**self.look.__dict__, **changed})
