"""The job's metrics: what its micro-batches were, kept over restarts of the stream, as Prometheus reads it."""

import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Literal, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from jobs.stages.receipt import TaskReceipt
from jobs.stages.step_clock import Step
from netheal import metrics as names
from netheal.metric_families import (
    counter,
    counter_family,
    gauge_family,
    histogram,
    histogram_family,
    info_family,
    single_gauge,
)
from netheal.registry.models import ActiveModel
from netheal.store.stream_state import State
from netheal.telemetry import emitted_events
from netheal.verdicts.latency import LatencyCounts, added, quantile_s

Outcome = Literal["committed", "failed", "skipped", "replayed"]

_PLAN_PHASES = ("latestOffset", "getBatch", "queryPlanning", "walCommit")
"""What Spark does before it calls foreachBatch, by the names in its progress reports."""
_RECENT_S = 300.0
_QUANTILES = (0.5, 0.95)
_MS_PER_S = 1_000


class JobMetrics:
    """Counted by the driver's threads, read by the one that answers a scrape."""

    def __init__(self, state: Callable[[], State]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._rows = counter(names.JOB_ROWS, self.registry)
        self._verdicts = counter(names.JOB_VERDICTS, self.registry)
        self._rejected = counter(names.JOB_REJECTED, self.registry)
        self._messages = counter(names.JOB_MESSAGES, self.registry)
        self._batches = counter(names.JOB_BATCHES, self.registry)
        self._failures = counter(names.JOB_FAILURES, self.registry)
        self._step_s = histogram(names.JOB_STEP_SECONDS, self.registry)
        self._spark_s = histogram(names.JOB_SPARK_SECONDS, self.registry)
        self._collected = _Collected(state)
        self.registry.register(self._collected)
        for outcome in get_args(Outcome):
            self._batches.labels(outcome)
        for step in get_args(Step):
            self._failures.labels(step)

    def batch_committed(self, receipts: Sequence[TaskReceipt], seconds: Mapping[str, float]) -> None:
        """Count a micro-batch that is done; `seconds` by step."""
        self._batches.labels("committed").inc()
        self._rows.inc(sum(receipt.verdicts + receipt.rejected for receipt in receipts))
        self._messages.inc(sum(receipt.messages for receipt in receipts))
        for receipt in receipts:
            for _, kind, name, rows in receipt.counts:
                if kind == "prediction":
                    self._verdicts.labels(name).inc(rows)
                elif kind == "rejected":
                    self._rejected.labels(name).inc(rows)
        for step, taken_s in seconds.items():
            self._step_s.labels(step).observe(taken_s)
        self._collected.add_latencies(added(receipt.latencies for receipt in receipts))
        self._collected.last_batch_at = time.time()

    def batch_skipped(self) -> None:
        """Count a micro-batch that was done before."""
        self._batches.labels("skipped").inc()

    def batch_replayed(self) -> None:
        """Count a further attempt at a micro-batch."""
        self._batches.labels("replayed").inc()

    def batch_failed(self, step: Step) -> None:
        """Count an attempt at a micro-batch that failed in a step."""
        self._batches.labels("failed").inc()
        self._failures.labels(step).inc()

    def spark_progress(self, durations_ms: Mapping[str, int]) -> None:
        """Take Spark's own durations of a micro-batch, by phase."""
        for phase, taken_ms in durations_ms.items():
            self._spark_s.labels(phase).observe(taken_ms / _MS_PER_S)
        plan_ms = sum(durations_ms.get(phase, 0) for phase in _PLAN_PHASES)
        self._step_s.labels("plan").observe(plan_ms / _MS_PER_S)

    def models_pinned(self, models: Iterable[ActiveModel]) -> None:
        """Show these as the models that rows are scored with."""
        self._collected.models = tuple(models)


class _Collected(Collector):
    """What is not counted one by one, and so is made into families at each scrape."""

    def __init__(self, state: Callable[[], State]) -> None:
        self.models: tuple[ActiveModel, ...] = ()
        self.last_batch_at: float | None = None
        self._state = state
        self._latencies = LatencyCounts()
        self._recent: deque[tuple[float, LatencyCounts]] = deque()
        self._lock = threading.Lock()

    def add_latencies(self, counts: LatencyCounts) -> None:
        """Add those of one micro-batch."""
        with self._lock:
            self._latencies += counts
            self._recent.append((time.monotonic(), counts))
            self._forget_old()

    def _forget_old(self) -> None:
        while self._recent and time.monotonic() - self._recent[0][0] > _RECENT_S:
            self._recent.popleft()

    def collect(self) -> Iterator[Family]:
        """Called at each scrape."""
        with self._lock:
            self._forget_old()
            total, recent = self._latencies, added(counts for _, counts in self._recent)
        yield info_family(names.JOB_BUILD, [(version("netheal"), platform.python_version(), version("pyspark"))])
        current = self._state()
        yield gauge_family(names.JOB_STATE, {(state,): float(state == current) for state in get_args(State)})
        yield histogram_family(names.JOB_LATENCY, total.rows, total.total_s)
        quantiles = {(f"{share:g}",): quantile_s(recent, share) for share in _QUANTILES}
        yield gauge_family(names.JOB_RECENT_LATENCY, {key: s for key, s in quantiles.items() if s is not None})
        yield info_family(names.JOB_MODEL, [(m.model_type, m.version, m.bundle_hash) for m in self.models])
        activated: dict[tuple[str, ...], float] = {
            (m.model_type, m.version): m.activated_at.timestamp() for m in self.models if m.activated_at
        }
        yield gauge_family(names.JOB_MODEL_ACTIVATED, activated)
        if self.last_batch_at is not None:
            yield single_gauge(names.JOB_LAST_BATCH, self.last_batch_at)
        yield counter_family(names.JOB_EVENTS, {(event,): times for event, times in emitted_events().items()})
