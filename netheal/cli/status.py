"""What the stream does now, read from Postgres and the broker."""

import math
from dataclasses import dataclass, field

from netheal.errors import ServiceUnavailable
from netheal.kafka.topics import topic_reader
from netheal.settings import Settings
from netheal.store.database import Connection, connect, transaction
from netheal.store.lag import read_lag, waiting_rows
from netheal.store.progress import Progress, read_progress, wrong_tables
from netheal.store.stream_health import StreamHealth, stream_health
from netheal.store.totals import verdicts_per_s

_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Status:
    """One look; `lag` in rows, None where the broker does not answer."""

    progress: Progress = field(default_factory=Progress)
    verdicts_per_s: float = 0.0
    lag: int | None = 0

    def health(self, reachable_s: float = math.inf) -> StreamHealth:
        """What is wrong with the stream first, if anything is: see `stream_health`."""
        return stream_health(self.progress, self.lag, reachable_s)

    @property
    def models(self) -> list[str]:
        """The active models, the threat detector first."""
        return [model.version for model in reversed(self.progress.active)]


class StatusReader:
    """Reads the status of one stream; keeps its connections, and waits `timeout_s` for the broker at most."""

    def __init__(self, settings: Settings, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._topic = settings.stream.input_topic
        self._dsn = settings.postgres.dsn.get_secret_value()
        self._connection: Connection | None = None
        self._consumer = topic_reader(settings)

    def close(self) -> None:
        """Give the connections back."""
        if self._connection is not None:
            self._connection.close()
        self._consumer.close()

    def lag(self) -> int:
        """Rows of the input topic that are not in every sink yet; raises ServiceUnavailable where one is away."""
        return waiting_rows(self.connection(), self._consumer, self._topic, self._timeout_s)

    def oldest_age_s(self) -> float:
        """Age of the oldest of these rows, 0 where there is none; raises ServiceUnavailable likewise."""
        return read_lag(self.connection(), self._consumer, self._topic, self._timeout_s).oldest_age_s

    def read(self) -> Status:
        """The status now; raises ServiceUnavailable where Postgres does not answer, or has not the tables yet."""
        connection = self.connection()
        progress = read_progress(connection, self._topic)
        if wrong := wrong_tables(progress.revision):
            raise ServiceUnavailable(wrong)
        with transaction(connection) as cursor:
            pace = verdicts_per_s(cursor, self._topic)
        try:
            lag: int | None = self.lag()
        except ServiceUnavailable:
            lag = None
        return Status(progress, pace, lag)

    def connection(self) -> Connection:
        """The one it reads with; raises ServiceUnavailable where Postgres does not answer."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn)
        return self._connection
