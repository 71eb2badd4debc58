"""Keeps the outages of broker, Postgres and job in the store, whether anybody asks for health or not.

The API looks every few seconds. A problem that a single look met is no outage, and one that is gone for less than
`RECOVERY_PERIOD` goes on. An outage is written as soon as it is one; that of Postgres itself when it is over, as is
whatever else ended meanwhile. Of several API processes on one database the one that holds an advisory lock writes.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from api.health import OBSERVED, Problem, problems
from api.observer import Observer
from netheal.errors import ServiceUnavailable
from netheal.store.advisory_lock import release_lock, take_lock
from netheal.store.database import Connection, connect
from netheal.store.outages import begin_outage, end_outage, open_outages, record_outage
from netheal.telemetry import emit

POLL_INTERVAL_S = 3.0
MIN_DURATION = timedelta(seconds=5)
"""What is over sooner is no outage."""
RECOVERY_PERIOD = timedelta(seconds=10)
"""For so long all must be well before an outage is over."""
_LOCK = "netheal-outages"


@dataclass
class _OngoingProblem:
    """A problem of one subject while it lasts, and until it is known to be over."""

    reason: str
    details: dict[str, Any]
    started_at: datetime
    last_seen_at: datetime
    well_since: datetime | None = None
    written: bool = False

    @property
    def is_outage(self) -> bool:
        return self.written or self.last_seen_at - self.started_at >= MIN_DURATION


@dataclass
class OutageRecorder:
    """What is wrong now, kept from look to look. `open_store` gives a connection, or raises ServiceUnavailable.

    A first start is no outage; of what was well before, a start says that it had ended.
    """

    open_store: Callable[[], Connection]
    _troubles: dict[str, _OngoingProblem] = field(default_factory=dict)
    _well_at: dict[str, datetime] = field(default_factory=dict)
    _connection: Connection | None = None
    _writes: bool = False

    def take(self, found: Iterable[Problem], now: datetime) -> None:
        """Take in what a look found, and write what is to be written, where the store is there."""
        by_subject = {p.subject: p for p in reversed(list(found)) if p.subject in OBSERVED}
        for subject in OBSERVED:
            if subject == "job" and "postgres" in by_subject:
                continue  # what the job says is not known
            self._follow(subject, by_subject.get(subject), now)
        try:
            self._write(now)
        except (ServiceUnavailable, psycopg2.Error) as error:
            emit("outage.not_written", reason=str(error))
            self._disconnect()

    def close(self) -> None:
        """Give the lock back, which the server would do only once it sees that the connection has ended; and that."""
        if self._connection is not None and self._writes:
            with suppress(ServiceUnavailable, psycopg2.Error):
                release_lock(self._connection, _LOCK)
        self._disconnect()

    def _disconnect(self) -> None:
        """Without a word to the server, which may not answer."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._writes = None, False

    def _follow(self, subject: str, problem: Problem | None, now: datetime) -> None:
        trouble, well_at = self._troubles.get(subject), self._well_at.get(subject)
        if problem is None:
            self._well_at[subject] = now
            if trouble is not None and trouble.well_since is None:
                trouble.well_since = now
        elif trouble is not None:
            trouble.last_seen_at, trouble.well_since = now, None
        elif problem.outage and not problem.starting:
            started_at = now - timedelta(seconds=problem.age_s)
            self._troubles[subject] = _OngoingProblem(problem.reason, problem.details, started_at, now)
        elif problem.outage and well_at is not None:
            self._troubles[subject] = _OngoingProblem(f"the {subject} had ended: {problem.reason}", {}, well_at, now)

    def _write(self, now: datetime) -> None:
        postgres = self._troubles.get("postgres")
        if postgres is not None and postgres.well_since is None:
            self._disconnect()
            return
        connection = self._store()
        for subject, trouble in list(self._troubles.items()):
            over = trouble.well_since is not None and now - trouble.well_since >= RECOVERY_PERIOD
            if self._writes and trouble.is_outage:
                self._write_one(connection, subject, trouble, over)
            if over:
                del self._troubles[subject]

    def _write_one(self, connection: Connection, subject: str, trouble: _OngoingProblem, over: bool) -> None:
        what = subject, trouble.reason, trouble.started_at
        if not over or trouble.well_since is None:
            if not trouble.written:
                begin_outage(connection, *what, trouble.details)
                trouble.written = True
                emit("outage.began", subject=subject, reason=trouble.reason, at=trouble.started_at.isoformat())
        else:
            if trouble.written:
                end_outage(connection, subject, trouble.well_since)
            else:
                record_outage(connection, *what, trouble.well_since, trouble.details)
            emit("outage.ended", subject=subject, reason=trouble.reason, at=trouble.well_since.isoformat())

    def _store(self) -> Connection:
        """The connection; `_writes` tells whether this process is the one that writes."""
        if self._connection is None or self._connection.closed:
            self._connection = self.open_store()
        if not self._writes:
            self._writes = take_lock(self._connection, _LOCK, patience_s=0.0)
            if self._writes:
                self._take_over(self._connection)
        return self._connection

    def _take_over(self, connection: Connection) -> None:
        """Go on with what is open in the store: what this process knows, and what another one left."""
        for outage in open_outages(connection):
            if outage.subject in OBSERVED:
                at = outage.started_at
                known = self._troubles.setdefault(
                    outage.subject, _OngoingProblem(outage.reason, outage.details, at, at)
                )
                known.written = True


def start_recording(observer: Observer, dsn: str, ending: Callable[[], bool]) -> threading.Thread:
    """Look and record in a thread of its own until `ending()` holds."""
    recorder = OutageRecorder(lambda: connect(dsn))
    pause = threading.Event()

    def run() -> None:
        while not ending():
            try:
                recorder.take(problems(observer.look()), datetime.now(UTC))
            # Whatever it is: the next look may be well, and nobody else would record outages.
            except Exception as error:  # noqa: BLE001
                emit("outage.not_written", reason=f"{type(error).__name__}: {error}")
            pause.wait(POLL_INTERVAL_S)
        recorder.close()

    thread = threading.Thread(target=run, name="outage-recorder", daemon=True)
    thread.start()
    return thread
