"""The hub's counts, as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from api.live.hub import DROPPED, Hub
from netheal import metrics as names
from netheal.metric_families import counter_family, single_gauge


class LiveMetrics(Collector):
    """What `/metrics` says of the sockets."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Family]:
        """At each scrape."""
        counts = self._hub.counts
        yield single_gauge(names.LIVE_CLIENTS, len(self._hub))
        yield counter_family(names.LIVE_ROWS, {(): counts["rows"]})
        yield counter_family(names.LIVE_SKIPPED, {(): counts["skipped"]})
        yield counter_family(names.LIVE_UNREADABLE, {(): counts["unreadable"]})
        yield counter_family(names.LIVE_DROPPED, {(reason,): counts[f"dropped {reason}"] for reason in DROPPED})
