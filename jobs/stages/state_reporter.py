"""Tells the store what the job does: at each change, and as a heartbeat in between."""

import threading
from typing import Any, Self

import psycopg2

from netheal.errors import reason_of
from netheal.store.database import Connection, connect
from netheal.store.stream_state import HEARTBEAT_S, State, report_state
from netheal.telemetry import emit

_LAST_REPORT_S = 5.0


class StateReporter:
    """Reports from a thread of its own, on a connection of its own, so that no batch ever waits for it.

    A store that is away is tried again with the next heartbeat: only the newest report counts.
    """

    def __init__(self, dsn: str, topic: str, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._dsn = dsn
        self._topic = topic
        self._heartbeat_s = heartbeat_s
        self._report: tuple[State, str, dict[str, Any]] = ("starting", "", {})
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._connection: Connection | None = None
        self._away = False
        self._thread = threading.Thread(target=self._run, name="state-reporter", daemon=True)

    def __enter__(self) -> Self:
        """Begin to report."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send the last report, for a bounded time."""
        self._ending.set()
        self._changed.set()
        self._thread.join(_LAST_REPORT_S)

    @property
    def state(self) -> State:
        """What was reported last."""
        return self._report[0]

    def report(self, state: State, reason: str = "", details: dict[str, Any] | None = None) -> None:
        """What the job does from now on; returns at once."""
        report = state, reason, details or {}
        if report != self._report:
            self._report = report
            self._changed.set()

    def report_start(self, step: str) -> None:
        """What the start waits for; a failure after which the stream is begun again stays told until it runs."""
        if self._report[0] != "retrying":
            self.report("starting", step)

    def _run(self) -> None:
        while True:
            ending = self._ending.is_set()
            self._send()
            if ending:
                break
            self._changed.wait(self._heartbeat_s)
            self._changed.clear()
        if self._connection is not None:
            self._connection.close()

    def _send(self) -> None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._dsn)
            report_state(self._connection, self._topic, *self._report)
            self._away = False
        except psycopg2.errors.UndefinedTable:
            pass  # the tables are not made yet
        except Exception as error:  # noqa: BLE001 - without a heartbeat the job would pass for a dead one
            if not self._away:  # once an outage: the next heartbeats would say the same
                emit("state.not_reported", reason=reason_of(error))
            self._away = True
            if self._connection is not None:
                self._connection.close()
