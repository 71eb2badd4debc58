"""What a stream that runs for months needs now and then."""

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from netheal.errors import ServiceUnavailable
from netheal.store.compaction import start_compaction
from netheal.store.database import Connection
from netheal.store.delta import DeltaLog
from netheal.store.open_parts import open_prefixes
from netheal.store.partitions import maintain_partitions
from netheal.store.topics import register_topic
from netheal.telemetry import emit

PARTS_WORTH_A_COMPACTION = 300
_POLL_INTERVAL_S = 60.0


@dataclass
class Maintenance:
    """Days come and go in Postgres, the topic is still the one we know, and small Delta parts become large ones."""

    connection: Connection
    topic: str
    current_topic_id: Callable[[], str]
    serving_days: int
    _due: float = 0.0
    _idle_due: float = 0.0
    _compacted_at: dict[str, int] = field(default_factory=dict)
    _compacting: "subprocess.Popen[bytes] | None" = None

    def run_if_due(self, logs: Iterable[DeltaLog]) -> None:
        """Called before each micro-batch; acts about once a minute."""
        if time.monotonic() < self._due:
            return
        maintain_partitions(self.connection, self.serving_days)
        register_topic(self.connection, self.topic, self.current_topic_id())
        for log in logs:
            self._compact(log)
        self._due = time.monotonic() + _POLL_INTERVAL_S

    def run_if_idle(self, logs: Iterable[DeltaLog]) -> None:
        """Called between micro-batches, as none may come for long; what fails is left for a minute later, or a batch.

        Raises StreamRefused where the topic was recreated.
        """
        if time.monotonic() < self._idle_due:
            return
        self._idle_due = time.monotonic() + _POLL_INTERVAL_S
        try:
            self.run_if_due(logs)
        except ServiceUnavailable as error:
            emit("maintenance.postponed", reason=str(error))

    def stop(self) -> None:
        """End a compaction in its course: it is a few commits, each of which is there whole or not at all."""
        if self._compacting is not None:
            self._compacting.terminate()
            self._compacting.wait()

    def _compact(self, log: DeltaLog) -> None:
        """At most one at a time; one that failed has said why, and is tried again after as many parts."""
        if self._compacting is not None and self._compacting.poll() is None:
            return
        if log.parts - self._compacted_at.get(log.uri, 0) >= PARTS_WORTH_A_COMPACTION:
            self._compacting = start_compaction(log.uri, open_prefixes(self.connection))
            self._compacted_at[log.uri] = log.parts
