"""The one thread that reads the output topic for all clients of this process."""

import threading
import time
from collections.abc import Callable, Sequence

from api.live.broker import BrokerAway, Record, Source, TopicReader
from api.live.hub import Hub
from api.live.messages import read_message
from netheal.telemetry import emit

BEHIND_ROWS = 500_000
"""More than this is not caught up with, but told as skipped, attacks among them: what comes so late is not live."""
_ROUND_S = 0.05
"""Rows are handed on twenty times a second, not one by one."""
_ROUND_ROWS = 500
_HURRY_ROWS = 3_000
"""Of a round after a full one. All rows are read, for only so are attacks not skipped before normal ones; but a job
that catches up cannot take the processor from REST."""
_QUIET_S = 0.25
_POLL_INTERVAL_S = 1.0
_RETRY_S = 0.5
_LINGER_S = 10.0
"""After the last client went, before it stops reading: a page that is loaded again finds it running."""

Ending = Callable[[], bool]


class Tail:
    """Runs from the first client to the last. Positions are kept while it runs, also over a broker that goes away."""

    def __init__(self, source: Source, hub: Hub) -> None:
        self._source = source
        self._hub = hub
        self._positions: dict[int, int] = {}
        self._away = False
        self._at = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    def ensure(self, ending: Ending, limit_s: float) -> None:
        """Run; comes back once what is produced from now on will be read, or it is known that nothing can be."""
        with self._lock:
            if self._thread is None:
                self._ready.clear()
                self._positions.clear()
                self._thread = threading.Thread(target=self._run, args=(ending,), name="live-tail", daemon=True)
                self._thread.start()
        self._ready.wait(limit_s)

    def _run(self, ending: Ending) -> None:
        watched_s = time.monotonic()
        while not ending():
            try:
                with TopicReader(self._source, self._positions) as reader:
                    self._back()
                    if not self._read(reader, ending):
                        return
            except BrokerAway as error:
                self._gone(str(error))
            except Exception as error:  # noqa: BLE001
                # Whatever it is, those who watch must see that nothing comes, and it must come again.
                emit("live.failed", error=f"{type(error).__name__}: {error}", exc_info=error)
                self._gone("the tail failed; the log of the API says why")
            if len(self._hub):
                watched_s = time.monotonic()
            if self._may_end(watched_s):
                return
            time.sleep(_RETRY_S)

    def _read(self, reader: TopicReader, ending: Ending) -> bool:
        """False once nobody watches or the process ends."""
        watched_s = time.monotonic()
        looked_s = 0.0
        most = _ROUND_ROWS
        while not ending():
            began_s = time.monotonic()
            if began_s - looked_s > _POLL_INTERVAL_S:
                self._keep_up(reader)
                looked_s = began_s
            records = reader.poll(_QUIET_S, most)
            most = _HURRY_ROWS if len(records) >= _ROUND_ROWS else _ROUND_ROWS
            self._hand_on(records)
            if len(self._hub):
                watched_s = time.monotonic()
            if self._may_end(watched_s):
                return False
            time.sleep(max(0.0, began_s + _ROUND_S - time.monotonic()))
        return False

    def _hand_on(self, records: Sequence[Record]) -> None:
        if not records:
            return
        messages = []
        for record in records:
            expected = self._positions[record.partition]
            if record.offset > expected:
                self._hub.missed(record.offset - expected)
            self._positions[record.partition] = record.offset + 1
            message = read_message(record.value, self._at)
            self._at += 1
            if message is not None:
                messages.append(message)
        if len(messages) < len(records):
            self._hub.unreadable(len(records) - len(messages))
        self._hub.publish(messages)

    def _keep_up(self, reader: TopicReader) -> None:
        behind = reader.behind()
        together = sum(behind.values())
        if together <= BEHIND_ROWS:
            return
        for partition, rows in behind.items():
            excess = rows * (together - BEHIND_ROWS) // together
            reader.skip(partition, excess)
            self._hub.missed(excess)

    def _may_end(self, watched_s: float) -> bool:
        with self._lock:
            # Looked at under the lock: a client that is added now either is seen here, or starts a new thread.
            if len(self._hub) or time.monotonic() - watched_s < _LINGER_S:
                return False
            self._thread = None
            return True

    def _gone(self, why: str) -> None:
        self._ready.set()
        if not self._away:
            self._away = True
            emit("live.broker_away", why=why)
            self._hub.tell_broker("away", why)

    def _back(self) -> None:
        if self._away:
            self._away = False
            emit("live.broker_back")
            self._hub.tell_broker("back", "the broker answers again")
        self._ready.set()
