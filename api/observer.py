"""What health and metrics are made of: looks at Postgres and at the broker, bounded in time and shared for seconds."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from netheal.cli.status import topic_reader
from netheal.errors import NethealError, ServiceUnavailable
from netheal.settings import Settings
from netheal.store.ledger import Offsets
from netheal.store.pool import Pool
from netheal.store.progress import Progress, read_progress

FRESH_S = 3.0
BOUND_S = 2.0
_BROKER_S = 1.5


@dataclass(frozen=True)
class Away:
    """A service that did not answer, and what it was that happened."""

    why: str


class Probe[T]:
    """A look at a service, in a thread of its own: one at a time, so that a service that hangs holds one thread."""

    def __init__(self, service: str, look: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Future[T | Away] | None = None
        self._found: T | Away | None = None
        self._found_at = 0.0

    def ask(self, bound_s: float = BOUND_S) -> T | Away:
        """What was found within the last seconds, or is now; Away where that takes longer than the bound."""
        with self._lock:
            if self._found is not None and self._clock() - self._found_at < FRESH_S:
                return self._found
            if self._running is None:
                self._running = Future()
                threading.Thread(target=self._run, args=(self._running,), daemon=True).start()
            running = self._running
        try:
            return running.result(bound_s)
        except NotYet:
            return Away(f"{self._service} does not answer within {bound_s:.0f} s")

    def _run(self, running: Future[T | Away]) -> None:
        found: T | Away
        try:
            found = self._look()
        except NethealError as error:
            found = Away(str(error))
        except BaseException as error:
            with self._lock:
                self._running = None
            running.set_exception(error)
            raise
        with self._lock:
            self._found, self._found_at, self._running = found, self._clock(), None
        running.set_result(found)


@dataclass(frozen=True)
class Observed:
    """One look at both services."""

    progress: Progress | Away
    ends: Offsets | Away

    @property
    def lag(self) -> int | None:
        """Rows of the input topic that are not in every sink yet; None where a service is away."""
        if isinstance(self.progress, Away) or isinstance(self.ends, Away):
            return None
        done = self.progress.done_offsets
        return sum(max(0, end - done.get(partition, 0)) for partition, end in self.ends.items())


class Observer:
    """Looks at the services of one API."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._reader: Consumer | None = None
        self._progress = Probe("Postgres", self._look_at_postgres)
        self._ends = Probe("the broker", self._look_at_broker)

    def look(self) -> Observed:
        """At most a few seconds old, and there within twice the bound whatever is away."""
        return Observed(self._progress.ask(), self._ends.ask())

    def _look_at_postgres(self) -> Progress:
        with self._pool.connection() as connection:
            return read_progress(connection, self._settings.input_topic)

    def _look_at_broker(self) -> Offsets:
        topic = self._settings.input_topic
        if self._reader is None:
            quiet = {**self._settings.kafka_options, "log_level": "0"}
            self._reader = topic_reader(self._settings.model_copy(update={"kafka_options": quiet}))
        reader = self._reader
        try:
            found = reader.list_topics(topic, timeout=_BROKER_S).topics[topic]
            if found.error is not None:
                raise ServiceUnavailable(f"the broker does not know the topic {topic}: {found.error.str()}")
            return {
                str(at): int(reader.get_watermark_offsets(TopicPartition(topic, at), timeout=_BROKER_S)[1])
                for at in found.partitions
            }
        except KafkaException as error:
            raise ServiceUnavailable(f"the broker does not answer: {error.args[0].str()}") from error
