"""Whether the API, and the stream behind it, do their work; each reason why not is a sentence for a person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from api.observer import Observed
from api.probe import Unavailable
from netheal.contracts import MODEL_TYPES, wire_contracts
from netheal.notifications.delivery import OUTAGE_SUBJECT as NOTIFICATIONS
from netheal.records.check import no_active_model
from netheal.store.drift import ActiveDrift
from netheal.store.progress import ActiveVersion, Progress, wrong_tables
from netheal.store.stream_health import StreamHealth, still_s, stream_health
from netheal.store.stream_state import StreamState

Status = Literal["ok", "starting", "degraded"]
OBSERVED = ("postgres", "broker", "job")
"""Subjects whose outages this API itself finds; others find a full disk, or offsets that are lost."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, or awaited where `starting`. `age_s`: how long it was so before it could be seen.

    `outage`: whether it is kept in the history where it lasts.
    """

    subject: str
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    age_s: float = 0.0
    starting: bool = False
    outage: bool = True


def problems(observed: Observed) -> list[Problem]:
    """Everything that keeps rows from being scored, or will; nothing where all is well."""
    progress, found = observed.progress, []
    if isinstance(progress, Unavailable):
        found.append(Problem("postgres", progress.why))
    elif told := wrong_tables(progress.revision):
        found.append(Problem("postgres", told, outage=False))
    if isinstance(observed.ends, Unavailable):
        found.append(Problem("broker", observed.ends.why))
    if isinstance(progress, Progress) and not wrong_tables(progress.revision):
        job = _of_job(progress, observed.lag or 0, observed.postgres_up_s)
        found += [job] if job else []
        if job is None or not job.starting:  # which imports the starter models
            found += _of_models(progress.active)
        found += _of_other_outages(progress)
    return found


def notes(observed: Observed) -> list[str]:
    """What somebody should look at while every row is scored all the same: it makes nothing degraded."""
    progress = observed.progress
    if isinstance(progress, Unavailable):
        return []
    return [_of_drift(found) for found in progress.drift if found.state != "ok"]


def _of_drift(found: ActiveDrift) -> str:
    far = "far from" if found.state == "alarm" else "at some distance from"
    features = ", ".join(name.strip() for name, _ in found.features)
    return (
        f"traffic of {found.model} lies {far} its training (mean PSI {found.mean_psi:.2f}), most of all {features}:"
        " see docs/drift.md"
    )


def status(found: Iterable[Problem]) -> Status:
    """In a word: `starting` where nothing is wrong but that the job is not there yet."""
    kinds = {problem.starting for problem in found}
    if False in kinds:
        return "degraded"
    return "starting" if kinds else "ok"


def _of_job(progress: Progress, lag: int, up_s: float) -> Problem | None:
    health, stream = stream_health(progress, lag, up_s), progress.stream
    waiting = f"; {lag:,} rows wait" if lag else ""
    if health == "running":
        return None
    if health == "awaited":
        told = f"waiting for the job: it has not reported yet{waiting}"
        return Problem("job", told, starting=True, outage=False)
    if stream is None:
        told = f"no job has ever reported{waiting}: start it, by `netheal up` or as jobs/score_stream.py"
        return Problem("job", told, outage=False)
    reason = _sentence(health, progress, stream, lag, waiting)
    outage = stream.state != "stopped" or bool(lag) or bool(stream.reason)
    return Problem("job", reason, stream.details, _age_s(health, progress, stream), health == "starting", outage)


def _age_s(health: StreamHealth, progress: Progress, stream: StreamState) -> float:
    """For how long it has been so."""
    if health == "silent":
        return stream.heartbeat_age_s
    return still_s(progress) if health == "stalled" else stream.since_age_s


def _sentence(health: StreamHealth, progress: Progress, stream: StreamState, lag: int, waiting: str) -> str:
    because = f": {stream.reason}" if stream.reason else ""
    match health:
        case "refused":
            return f"the job has refused to go on{because}{waiting}"
        case "stopped":
            again = "" if stream.reason else ": start it again"
            return f"the job ended at {_moment(stream.since)}{because}{waiting}{again}"
        case "silent":
            since = _moment(stream.heartbeat_at)
            return f"the job has not answered since {since}{waiting}: it is frozen or dead, see its log"
        case "starting":
            return f"the job is starting{because}{waiting}"
        case "overdue":
            return f"the job fails to start{because}{waiting}"
        case "retrying":
            return f"the job is retrying{_place(stream)}{because}{waiting}"
    minutes = still_s(progress) // 60
    return f"{lag:,} rows wait and the job has neither begun nor finished a batch for {minutes:.0f} min: see its log"


def _place(stream: StreamState) -> str:
    """The batch at fault, and its offsets, where the reason does not name them."""
    batch, ranges = stream.details.get("batch_id"), stream.details.get("offsets", [])
    if batch is None or f"batch {batch} " in stream.reason:
        return ""
    where = "; ".join(f"partition {r['partition']}, offsets {r['start']} to {r['end'] - 1}" for r in ranges)
    tries = stream.details.get("attempts")
    return f" batch {batch}" + (f" ({where})" if where else "") + (f", which failed {tries} times" if tries else "")


def _of_models(active: Iterable[ActiveVersion]) -> Iterator[Problem]:
    by_type = {model.model_type: model for model in active}
    for name in MODEL_TYPES:
        if name not in by_type:
            yield Problem("models", f"no {name} is active: activate one", outage=False)
        elif not by_type[name].rows and (told := _why_no_rows(by_type[name])):
            yield Problem("models", told, outage=False)


def _why_no_rows(model: ActiveVersion) -> str | None:
    """A sentence where rows arrive that the model should have scored; rows of the other type alone are no fault."""
    takes = model.contract_id or "other features"
    if _turned_away(model):
        return (
            f"{model.version} is active and gets no rows, while rows of its type are rejected: it takes {takes};"
            f" activate a {model.model_type} for what the sensors send"
        )
    shipped = {contract.id for contract in wire_contracts()}
    if model.arrived and model.contract_id not in shipped:
        return (
            f"{model.version} is active and no arriving row fits it: it takes {takes}, whose features the sensors do"
            f" not all send; `GET /api/v1/contracts/{takes}` lists them"
        )
    return None


def _turned_away(model: ActiveVersion) -> bool:
    """Whether rows of the model's type were rejected for want of a model."""
    wire = {contract.id: contract.model_type for contract in wire_contracts()}
    named = {no_active_model(contract_id): model_type for contract_id, model_type in wire.items()}
    types = {named.get(detail) for detail in model.unserved}
    # A row that has no feature of any contract is of no type: it may be of a model with features of its own.
    return model.model_type in types or (bool(model.unserved) and model.contract_id not in wire)


def _of_other_outages(progress: Progress) -> Iterator[Problem]:
    """Those that somebody else found, and that last. Rows are scored also where people cannot be told of them."""
    for outage in progress.outages:
        untold = outage.subject.startswith(NOTIFICATIONS)
        if outage.ended_at is None and outage.subject not in OBSERVED and not untold:
            told = f"{outage.reason} (since {_moment(outage.started_at)})"
            yield Problem(outage.subject, told, outage.details, outage=False)


def _moment(at: datetime | None) -> str:
    return "an unknown time" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
