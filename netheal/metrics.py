"""Every metric name there is, with what it means and its unit, so that an alert can rely on it.

`python -m netheal.metrics > docs/metrics.md` makes their page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric; the unit stands at the end of its name, none for a plain number.

    `bounds` are the upper bounds of a histogram's buckets, in its unit, without that of the last, which is infinite.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    meaning: str
    unit: str = ""
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus has its samples."""
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",), "gauge": ("",)}
        return tuple(self.name + end for end in ends[self.kind])


_REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STEP_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LATENCY_BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)

REQUESTS = Metric(
    "netheal_api_requests",
    "counter",
    "Requests answered, by method, route and status",
    labels=("method", "route", "status"),
)
REQUEST_SECONDS = Metric(
    "netheal_api_request_seconds",
    "histogram",
    "Time from a request's arrival to its answer",
    "seconds",
    ("method", "route"),
    _REQUEST_BOUNDS_S,
)
PREDICTIONS = Metric("netheal_predictions", "counter", "Rows scored, by verdict", labels=("verdict",))
THREATS = Metric("netheal_threat_predictions", "counter", "Rows scored by the threat detector", labels=("verdict",))
CLASSES = Metric("netheal_attack_predictions", "counter", "Rows scored by the attack classifier", labels=("class",))
REJECTED = Metric("netheal_rejected", "counter", "Rows quarantined, by reason", labels=("reason",))
ACTIONS = Metric("netheal_actions", "counter", "Healing actions decided, by type", labels=("action",))
NOTIFICATIONS = Metric(
    "netheal_notifications", "counter", "Messages to people, by channel and result", labels=("channel", "result")
)
LAG = Metric("netheal_lag_rows", "gauge", "Rows of the input topic that are not in every sink yet", "rows")
BATCH_AGE = Metric("netheal_last_batch_age_seconds", "gauge", "Time since the last micro-batch was done", "seconds")
BATCH_SECONDS = Metric("netheal_last_batch_seconds", "gauge", "How long the last micro-batch took", "seconds")
BATCH_ROWS = Metric("netheal_last_batch_rows", "gauge", "Rows of the last micro-batch", "rows")
SERVICE_UP = Metric("netheal_service_up", "gauge", "1 where a service answers the API, else 0", labels=("service",))
READY = Metric("netheal_ready", "gauge", "1 where /health/ready answers 200, else 0")
MODEL = Metric("netheal_active_model", "info", "Models that score", labels=("model_type", "version", "bundle_hash"))
DRIFT_PSI = Metric(
    "netheal_drift_mean_psi",
    "gauge",
    "Mean PSI of a model's features in its last judged window, against training",
    labels=("model_type", "version"),
)
DRIFT_STATE = Metric(
    "netheal_drift_state", "gauge", "0 ok, 1 note, 2 alarm, of that window", labels=("model_type", "version")
)
DRIFT_FEATURE_PSI = Metric(
    "netheal_drift_feature_psi",
    "gauge",
    "PSI of the five features that moved most in that window",
    labels=("model_type", "version", "feature"),
)
BUILD = Metric("netheal_build", "info", "What runs", labels=("version", "python"))
LIVE_CLIENTS = Metric("netheal_live_clients", "gauge", "Open WebSockets")
LIVE_ROWS = Metric("netheal_live_rows", "counter", "Rows read from the output topic while somebody watched")
LIVE_SKIPPED = Metric("netheal_live_skipped", "counter", "Rows that clients were told they missed, over all clients")
LIVE_UNREADABLE = Metric("netheal_live_unreadable", "counter", "Messages of the output topic that are no prediction")
LIVE_DROPPED = Metric("netheal_live_dropped", "counter", "WebSockets that the API ended, by reason", labels=("reason",))

JOB_BUILD = Metric("netheal_job_build", "info", "What the job runs", labels=("version", "python", "spark"))
JOB_STATE = Metric(
    "netheal_job_state",
    "gauge",
    "1 for the state that the job is in (starting, running, retrying, refused, stopped), 0 for the others",
    labels=("state",),
)
JOB_ROWS = Metric("netheal_job_rows", "counter", "Rows of the input topic that are done, scored or rejected")
JOB_VERDICTS = Metric("netheal_job_verdicts", "counter", "Rows that the job scored, by verdict", labels=("verdict",))
JOB_REJECTED = Metric("netheal_job_rejected", "counter", "Rows that the job quarantined, by reason", labels=("reason",))
JOB_MESSAGES = Metric("netheal_job_messages", "counter", "Messages that the output topic acknowledged")
JOB_BATCHES = Metric(
    "netheal_job_batches",
    "counter",
    "Micro-batches by outcome: committed, failed, skipped (done before); replayed counts further attempts at one",
    labels=("outcome",),
)
JOB_FAILURES = Metric(
    "netheal_job_failures",
    "counter",
    "Failed attempts at a micro-batch, by the step that failed; each is tried again",
    labels=("step",),
)
JOB_EVENTS = Metric(
    "netheal_job_events",
    "counter",
    "Events that the job logged, by name; `job.retrying` are starts of the stream after a failure",
    labels=("event",),
)
JOB_STEP_SECONDS = Metric(
    "netheal_job_step_seconds",
    "histogram",
    "Time that a step of a committed micro-batch took: plan, pin, score, commit, close",
    "seconds",
    ("step",),
    _STEP_BOUNDS_S,
)
JOB_SPARK_SECONDS = Metric(
    "netheal_job_spark_seconds",
    "histogram",
    "Time that Spark says a phase of a micro-batch took; addBatch is pin, score, commit and close together",
    "seconds",
    ("phase",),
    _STEP_BOUNDS_S,
)
JOB_LATENCY = Metric(
    "netheal_job_latency_seconds",
    "histogram",
    "Time from the timestamp of a scored row's Kafka record until the broker had acknowledged its verdict",
    "seconds",
    bounds=_LATENCY_BOUNDS_S,
)
JOB_RECENT_LATENCY = Metric(
    "netheal_job_recent_latency_seconds",
    "gauge",
    "The latency that half, and 95 %, of the rows of the last five minutes stayed below, to a bucket's width",
    "seconds",
    ("quantile",),
)
JOB_LAG = Metric("netheal_job_lag_rows", "gauge", "Rows of the input topic that are not in every sink yet", "rows")
JOB_LAG_SECONDS = Metric(
    "netheal_job_lag_seconds", "gauge", "Age of the oldest row that is not in every sink yet, 0 for none", "seconds"
)
JOB_DISK_FREE = Metric(
    "netheal_job_disk_free_bytes", "gauge", "Bytes that the job may still write, by local folder", "bytes", ("folder",)
)
JOB_LAST_BATCH = Metric(
    "netheal_job_last_batch_timestamp_seconds", "gauge", "When the last micro-batch was done, as Unix time", "seconds"
)
JOB_MODEL = Metric(
    "netheal_job_model",
    "info",
    "Models that were active at the last micro-batch",
    labels=("model_type", "version", "bundle_hash"),
)
JOB_MODEL_ACTIVATED = Metric(
    "netheal_job_model_activated_timestamp_seconds",
    "gauge",
    "When each of these models was activated, as Unix time",
    "seconds",
    ("model_type", "version"),
)

COUNTED = {
    "prediction": PREDICTIONS,
    "threat": THREATS,
    "class": CLASSES,
    "rejected": REJECTED,
    "action": ACTIONS,
}
"""Kinds of counts in the store -> the counter they are shown as; the name in the store is the label."""

METRICS = (
    *(REQUESTS, REQUEST_SECONDS, *COUNTED.values(), LAG, BATCH_AGE, BATCH_SECONDS, BATCH_ROWS),
    *(SERVICE_UP, READY, MODEL, BUILD, NOTIFICATIONS),
    *(DRIFT_PSI, DRIFT_STATE, DRIFT_FEATURE_PSI),
    *(LIVE_CLIENTS, LIVE_ROWS, LIVE_SKIPPED, LIVE_UNREADABLE, LIVE_DROPPED),
)
"""What the API shows at `/metrics`."""

JOB_METRICS = (
    *(JOB_BUILD, JOB_STATE, JOB_ROWS, JOB_VERDICTS, JOB_REJECTED, JOB_MESSAGES),
    *(JOB_BATCHES, JOB_FAILURES, JOB_EVENTS, JOB_STEP_SECONDS, JOB_SPARK_SECONDS),
    *(
        JOB_LATENCY,
        JOB_RECENT_LATENCY,
        JOB_LAG,
        JOB_LAG_SECONDS,
        JOB_DISK_FREE,
        JOB_LAST_BATCH,
        JOB_MODEL,
        JOB_MODEL_ACTIVATED,
    ),
)
"""What the streaming job shows at its own endpoint."""

_HEAD = """# Metrics

<!-- Made by `python -m netheal.metrics > docs/metrics.md`: change the code, not this page. -->

Two endpoints in Prometheus' text format: the API's `/metrics`, and that of the streaming job, at
`NETHEAL_JOB_METRICS_HOST`:`NETHEAL_JOB_METRICS_PORT` (`netheal status` shows its address). Counters of the API come
from the database and go on over restarts; those of the job count from the start of its process. How to use them:
[operation.md](operation.md).
"""


def page() -> str:
    """Every metric, a table an endpoint, as Markdown."""
    return "\n".join([_HEAD, _table("The streaming job", JOB_METRICS), _table("The API", METRICS)])


def _table(title: str, metrics: Sequence[Metric]) -> str:
    rows = [
        f"| {', '.join(f'`{name}`' for name in metric.series)} | {metric.kind} |"
        f" {', '.join(f'`{label}`' for label in metric.labels)} | {metric.unit} | {metric.meaning} |"
        for metric in metrics
    ]
    return "\n".join(
        [f"## {title}", "", "| series | kind | labels | unit | meaning |", "|---|---|---|---|---|", *rows, ""]
    )


if __name__ == "__main__":
    print(page(), end="")
