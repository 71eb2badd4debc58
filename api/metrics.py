"""`/metrics`, as Prometheus reads it: requests as they are answered, the rest from one look at the services."""

import platform
import time
from collections.abc import Iterator
from importlib.metadata import version

from apiflask import APIBlueprint
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from api.health import problems
from api.observer import Observer
from api.probe import Unavailable
from api.security import requires
from netheal import metrics as names
from netheal.drift.window import STATES
from netheal.metric_families import counter, counter_family, gauge_family, histogram, info_family, single_gauge
from netheal.store.progress import Progress

_SOCKETS = "/ws/"
"""Routes of WebSockets: a request there lasts as long as somebody listens."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def metrics_blueprint(app: Flask, observer: Observer, *others: Collector) -> APIBlueprint:
    """Count the app's requests, and show them with what the observer and others see."""
    registry = CollectorRegistry(auto_describe=False)
    _count_requests(app, registry)
    for collector in (_Stream(observer), *others):
        registry.register(collector)
    blueprint = APIBlueprint("metrics", __name__, tag="health")

    @blueprint.get("/metrics")
    @requires("viewer")
    @blueprint.doc(responses={200: "Prometheus' text format"})
    def metrics() -> Response:
        """Show every metric in Prometheus' text format."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _count_requests(app: Flask, registry: CollectorRegistry) -> None:
    count, took = counter(names.REQUESTS, registry), histogram(names.REQUEST_SECONDS, registry)

    def begin() -> None:
        g.began = time.perf_counter()

    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        count.labels(method, route, response.status_code).inc()
        if not route.startswith(_SOCKETS) and "began" in g:
            took.labels(method, route).observe(time.perf_counter() - g.began)
        return response

    # First of all, so that what the guard refuses is counted and timed, too.
    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request(end)


class _Stream(Collector):
    """What is read from Postgres and the broker at each scrape, or was seconds ago."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def collect(self) -> Iterator[Family]:
        """A service that is away takes its metrics with it; netheal_service_up says so."""
        observed = self._observer.look()
        away = {"postgres": observed.progress, "broker": observed.ends}
        up = {service: 0.0 if isinstance(found, Unavailable) else 1.0 for service, found in away.items()}
        yield gauge_family(names.SERVICE_UP, {(service,): value for service, value in up.items()})
        yield single_gauge(names.READY, 0 if problems(observed) else 1)
        yield info_family(names.BUILD, [(version("netheal"), platform.python_version())])
        if observed.lag is not None:
            yield single_gauge(names.LAG, observed.lag)
        if isinstance(observed.progress, Progress):
            yield from _of_progress(observed.progress)


def _of_progress(progress: Progress) -> Iterator[Family]:
    for kind, metric in names.COUNTED.items():
        yield counter_family(metric, {(name,): n for name, n in progress.rows.of(kind).items()})
    if progress.channels:
        told = {(c.channel, "sent"): c.sent for c in progress.channels}
        told |= {(c.channel, "failed"): c.failed for c in progress.channels}
        yield counter_family(names.NOTIFICATIONS, told)
    yield info_family(names.MODEL, [(m.model_type, m.version, m.bundle_hash) for m in progress.active])
    yield from _of_drift(progress)
    if progress.closed_age_s is not None:
        yield single_gauge(names.BATCH_AGE, progress.closed_age_s)
        yield single_gauge(names.BATCH_SECONDS, progress.last_s)
        yield single_gauge(names.BATCH_ROWS, progress.last_rows)


def _of_drift(progress: Progress) -> Iterator[Family]:
    """Of active models whose traffic was judged: how many series there are does not grow with time."""
    judged = {(found.model_type, found.version): found for found in progress.drift}
    yield gauge_family(names.DRIFT_PSI, {labels: found.mean_psi for labels, found in judged.items()})
    yield gauge_family(names.DRIFT_STATE, {labels: STATES.index(found.state) for labels, found in judged.items()})
    worst = {(*labels, name.strip()): psi for labels, found in judged.items() for name, psi in found.features}
    yield gauge_family(names.DRIFT_FEATURE_PSI, worst)
