"""What health and metrics are made of: looks at Postgres and at the broker."""

import math
import time
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer
from flask import Flask

from api.probe import Probe, Unavailable
from netheal.errors import ServiceUnavailable
from netheal.kafka.offsets import Offsets
from netheal.kafka.topics import end_offsets, topic_reader
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.progress import Progress, read_progress
from netheal.store.topics import lag_rows

_BROKER_S = 1.5
_CONNECT_S = 5
_STATEMENT_S = 5.0
_KEY = "netheal-observer"


@dataclass(frozen=True)
class Observed:
    """One look at both services. `postgres_up_s`: for how long Postgres has answered, since it last did not."""

    progress: Progress | Unavailable
    ends: Offsets | Unavailable
    postgres_up_s: float = math.inf

    @property
    def lag(self) -> int | None:
        """Rows of the input topic that are not in every sink yet; None where a service is away."""
        if isinstance(self.progress, Unavailable) or isinstance(self.ends, Unavailable):
            return None
        return lag_rows(self.ends, self.progress.done_offsets)


class Observer:
    """Looks at the services of one API, by connections of its own: handlers may use up theirs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
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
        if self._connection is not None and not self._connection.closed:
            try:
                return read_progress(self._connection, self._settings.stream.input_topic)
            except ServiceUnavailable:
                if not self._connection.closed:
                    raise  # it is there, and slow
        dsn = self._settings.postgres.dsn.get_secret_value()
        try:
            self._connection = connect(dsn, _CONNECT_S, _STATEMENT_S)
        except ServiceUnavailable:
            self._postgres_up_at = None
            raise
        if self._postgres_up_at is None:
            self._postgres_up_at = time.monotonic()
        return read_progress(self._connection, self._settings.stream.input_topic)

    def _look_at_broker(self) -> Offsets:
        if self._reader is None:
            self._reader = topic_reader(self._settings)
        return end_offsets(self._reader, self._settings.stream.input_topic, _BROKER_S)


def register_observer(app: Flask, settings: Settings) -> Observer:
    """Give the app its own."""
    observer = app.extensions[_KEY] = Observer(settings)
    return observer


def observer_of(app: Flask) -> Observer:
    """That of an app."""
    return cast(Observer, app.extensions[_KEY])
