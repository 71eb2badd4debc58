"""The hub's counts, as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from api.live.hub import DROPPED, Hub
from netheal import metrics as names


class LiveMetrics(Collector):
    """What `/metrics` says of the sockets."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Family]:
        """At each scrape."""
        counts = self._hub.counts
        yield GaugeMetricFamily(names.LIVE_CLIENTS.name, names.LIVE_CLIENTS.meaning, value=len(self._hub))
        for metric, count in {
            names.LIVE_ROWS: counts["rows"],
            names.LIVE_SKIPPED: counts["skipped"],
            names.LIVE_UNREADABLE: counts["unreadable"],
        }.items():
            yield CounterMetricFamily(metric.name, metric.meaning, value=count)
        dropped = CounterMetricFamily(
            names.LIVE_DROPPED.name, names.LIVE_DROPPED.meaning, labels=names.LIVE_DROPPED.labels
        )
        for reason in DROPPED:
            dropped.add_metric([reason], counts[f"dropped {reason}"])
        yield dropped
