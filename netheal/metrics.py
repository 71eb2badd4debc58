"""Every metric name there is, with what it means and its unit, so that an alert can rely on it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric; the unit stands at the end of its name, none for a plain number."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    meaning: str
    unit: str = ""
    labels: tuple[str, ...] = ()


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
)
PREDICTIONS = Metric("netheal_predictions", "counter", "Rows scored, by verdict", labels=("verdict",))
THREATS = Metric("netheal_threat_predictions", "counter", "Rows scored by the threat detector", labels=("verdict",))
CLASSES = Metric("netheal_attack_predictions", "counter", "Rows scored by the attack classifier", labels=("class",))
REJECTED = Metric("netheal_rejected", "counter", "Rows quarantined, by reason", labels=("reason",))
ACTIONS = Metric("netheal_actions", "counter", "Healing actions decided, by type", labels=("action",))
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
    *(SERVICE_UP, READY, MODEL, BUILD),
    *(DRIFT_PSI, DRIFT_STATE, DRIFT_FEATURE_PSI),
    *(LIVE_CLIENTS, LIVE_ROWS, LIVE_SKIPPED, LIVE_UNREADABLE, LIVE_DROPPED),
)
