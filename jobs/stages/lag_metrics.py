"""The lag, read at each scrape of the job's metrics by connections of its own."""

import threading
from collections.abc import Iterator

from confluent_kafka import Consumer
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from netheal import metrics as names
from netheal.errors import reason_of
from netheal.kafka.topics import topic_reader
from netheal.metric_families import single_gauge
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.lag import Lag, read_lag
from netheal.telemetry import emit

_BOUND_S = 2


class LagMetrics(Collector):
    """Shows no lag where a service does not answer within seconds: one that is not known is not shown as 0."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._consumer: Consumer | None = None
        self._away = False

    def collect(self) -> Iterator[Family]:
        """Called at each scrape; one at a time."""
        with self._lock:
            lag = self._read()
        if lag is not None:
            yield single_gauge(names.JOB_LAG, lag.rows)
            yield single_gauge(names.JOB_LAG_SECONDS, lag.oldest_age_s)

    def _read(self) -> Lag | None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._settings.postgres.dsn.get_secret_value(), _BOUND_S, _BOUND_S)
            if self._consumer is None:
                self._consumer = topic_reader(self._settings)
            lag = read_lag(self._connection, self._consumer, self._settings.stream.input_topic, _BOUND_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other metrics are to be shown
            if not self._away:  # once an outage: the next scrapes would say the same
                emit("metrics.not_collected", reason=reason_of(error))
            self._away = True
            return None
        self._away = False
        return lag
