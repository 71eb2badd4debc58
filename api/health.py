"""Whether the API, and the stream behind it, do their work; each reason why not is a sentence for a person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from api.observer import Observed
from api.probe import Away
from netheal.contracts import MODEL_TYPES, wire_contracts
from netheal.records.check import no_active_model
from netheal.store.progress import ActiveVersion, Progress, head_revision
from netheal.store.stream_state import StreamState

STALLED_S = 60.0
"""A job with rows to score begins or ends a batch more often than that."""
FIRST_REPORT_S = 120.0
"""So long after the API found Postgres the job may take to report: both are started together, and imports take long on
a busy machine."""
START_S = 300.0
"""A job that starts for longer is not taken for one that will be there soon."""

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
    if isinstance(progress, Away):
        found.append(Problem("postgres", progress.why))
    elif progress.revision != head_revision():
        there = progress.revision or "not made"
        told = f"the tables are {there}, this API needs {head_revision()}: start the job or the API of this version"
        found.append(Problem("postgres", told, outage=False))
    if isinstance(observed.ends, Away):
        found.append(Problem("broker", observed.ends.why))
    if isinstance(progress, Progress) and progress.revision == head_revision():
        job = _of_job(progress, observed.lag or 0, observed.postgres_up_s)
        found += [job] if job else []
        if job is None or not job.starting:  # which imports the starter models
            found += _of_models(progress.active)
        found += _of_other_outages(progress)
    return found


def status(found: Iterable[Problem]) -> Status:
    """In a word: `starting` where nothing is wrong but that the job is not there yet."""
    kinds = {problem.starting for problem in found}
    if False in kinds:
        return "degraded"
    return "starting" if kinds else "ok"


def _of_job(progress: Progress, lag: int, up_s: float) -> Problem | None:
    stream = progress.stream
    waiting = f"; {lag:,} rows wait" if lag else ""
    told_why = stream is not None and (stream.state == "refused" or (stream.state == "stopped" and stream.reason))
    silent = stream is None or (not stream.alive and not told_why and stream.heartbeat_age_s > up_s)
    if silent and up_s < FIRST_REPORT_S:
        told = f"the job is awaited: it has not reported yet{waiting}"
        return Problem("job", told, starting=True, outage=False)
    if stream is None:
        told = f"no job has ever reported{waiting}: start it, by `netheal up` or as jobs/score_stream.py"
        return Problem("job", told, outage=False)
    return _of_stream(stream, waiting, bool(lag)) or _stalled(progress, stream, lag)


def _of_stream(stream: StreamState, waiting: str, rows_wait: bool) -> Problem | None:
    """By what the job says of itself, or says no longer."""
    age_s, because = stream.since_age_s, f": {stream.reason}" if stream.reason else ""
    if stream.state == "refused":
        return Problem("job", f"the job has refused to go on{because}{waiting}", stream.details, age_s)
    if stream.state == "stopped":
        told = f"the job ended at {_moment(stream.since)}{because}{waiting}"
        if not stream.reason:
            told += ": start it again"
        return Problem("job", told, stream.details, age_s, outage=rows_wait or bool(stream.reason))
    silence_s = stream.heartbeat_age_s
    if not stream.alive:
        told = (
            f"the job has not answered since {_moment(stream.heartbeat_at)}{waiting}: it is frozen or dead, see its log"
        )
        return Problem("job", told, stream.details, silence_s)
    if stream.state == "starting":
        soon = age_s < START_S
        told = f"the job is starting{because}{waiting}" if soon else f"the job does not get started{because}{waiting}"
        return Problem("job", told, stream.details, age_s, starting=soon)
    if stream.state == "retrying":
        place = _place(stream)
        return Problem("job", f"the job tries again{place}{because}{waiting}", stream.details, age_s)
    return None


def _stalled(progress: Progress, stream: StreamState, lag: int) -> Problem | None:
    ages = [age for age in (progress.opened_age_s, progress.closed_age_s) if age is not None]
    still_s = min([*ages, stream.since_age_s])
    if not lag or still_s < STALLED_S:
        return None
    told = (
        f"{lag:,} rows wait and the job has neither begun nor finished a batch for {still_s // 60:.0f} min: see its log"
    )
    return Problem("job", told, stream.details, still_s)


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
        elif not by_type[name].rows and _turned_away(by_type[name]):
            model = by_type[name]
            told = (
                f"{model.version} is active and gets no rows, while rows of its type are rejected: it takes"
                f" {model.contract_id or 'other features'}; activate a {name} for what the sensors send"
            )
            yield Problem("models", told, outage=False)


def _turned_away(model: ActiveVersion) -> bool:
    """Whether rows of the model's type were rejected for want of a model."""
    wire = {contract.id: contract.model_type for contract in wire_contracts()}
    named = {no_active_model(contract_id): model_type for contract_id, model_type in wire.items()}
    types = {named.get(detail) for detail in model.unserved}
    # A row that has no feature of any contract is of no type: it may be of a model with features of its own.
    return model.model_type in types or (bool(model.unserved) and model.contract_id not in wire)


def _of_other_outages(progress: Progress) -> Iterator[Problem]:
    """Those that somebody else found, and that last."""
    for outage in progress.outages:
        if outage.ended_at is None and outage.subject not in OBSERVED:
            told = f"{outage.reason} (since {_moment(outage.started_at)})"
            yield Problem(outage.subject, told, outage.details, outage=False)


def _moment(at: datetime | None) -> str:
    return "an unknown time" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
