"""What health and metrics are made of: looks at Postgres and at the broker."""

import math
import time
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, KafkaException, TopicPartition
from flask import Flask

from api.probe import Away, Probe
from netheal.cli.status import topic_reader
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.ledger import Offsets
from netheal.store.pool import Pool
from netheal.store.progress import Progress, read_progress

_BROKER_S = 1.5
_KEY = "netheal-observer"


@dataclass(frozen=True)
class Observed:
    """One look at both services. `postgres_up_s`: for how long Postgres has answered, since it last did not."""

    progress: Progress | Away
    ends: Offsets | Away
    postgres_up_s: float = math.inf

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
        self._postgres_up_at: float | None = None
        self._progress = Probe("Postgres", self._look_at_postgres)
        self._ends = Probe("the broker", self._look_at_broker)

    def look(self) -> Observed:
        """At most a few seconds old, and there within twice the bound whatever is away."""
        progress, ends = self._progress.ask(), self._ends.ask()
        up_at = self._postgres_up_at
        return Observed(progress, ends, 0.0 if up_at is None else time.monotonic() - up_at)

    def _look_at_postgres(self) -> Progress:
        try:
            with self._pool.connection() as connection:
                progress = read_progress(connection, self._settings.input_topic)
        except ServiceUnavailable:
            self._postgres_up_at = None
            raise
        if self._postgres_up_at is None:
            self._postgres_up_at = time.monotonic()
        return progress

    def _look_at_broker(self) -> Offsets:
        topic = self._settings.input_topic
        if self._reader is None:
            self._reader = topic_reader(self._settings)
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


def register_observer(app: Flask, settings: Settings, pool: Pool) -> Observer:
    """Give the app its own."""
    observer = app.extensions[_KEY] = Observer(settings, pool)
    return observer


def observer_of(app: Flask) -> Observer:
    """That of an app."""
    return cast(Observer, app.extensions[_KEY])
