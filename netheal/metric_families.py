"""The declared metrics as `prometheus_client` takes them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.utils import floatToGoString

from netheal.metrics import Metric

Values = Mapping[Any, float]
"""The values of a metric's labels, a tuple in their order -> the sample."""


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter that is counted up as things happen."""
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """A histogram that observes things as they happen."""
    return Histogram(metric.name, metric.meaning, metric.labels, buckets=metric.bounds, registry=registry)


def counter_family(metric: Metric, values: Values) -> CounterMetricFamily:
    """Counts that are kept elsewhere, of one scrape."""
    family = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def gauge_family(metric: Metric, values: Values) -> GaugeMetricFamily:
    """Values of one scrape."""
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def single_gauge(metric: Metric, value: float) -> GaugeMetricFamily:
    """The value of a metric without labels."""
    return GaugeMetricFamily(metric.name, metric.meaning, value=value)


def info_family(metric: Metric, rows: Iterable[tuple[str, ...]]) -> InfoMetricFamily:
    """One sample of value 1 for each row of label values."""
    family = InfoMetricFamily(metric.name, metric.meaning)
    for row in rows:
        family.add_metric([], dict(zip(metric.labels, row, strict=True)))
    return family


def histogram_family(metric: Metric, rows: Sequence[int], total: float) -> HistogramMetricFamily:
    """A histogram that is kept elsewhere: observations in each of its buckets, the infinite one last, and their sum."""
    edges = [*map(floatToGoString, metric.bounds), "+Inf"]
    buckets = list(zip(edges, map(float, accumulate(rows)), strict=True))
    return HistogramMetricFamily(metric.name, metric.meaning, buckets=buckets, sum_value=total)
