"""Whether the API, and the stream behind it, do their work; each reason why not is a sentence for a person."""

from api.observer import Observed
from api.probe import Away
from netheal.store.progress import Progress, head_revision

MODEL_TYPES = ("threat_detector", "attack_classifier")
STALLED_S = 60.0
"""A job with rows to score begins or ends a batch more often than that."""


def not_ready(observed: Observed) -> list[str]:
    """Why the product is not ready; nothing where it is."""
    reasons = []
    if isinstance(observed.progress, Away):
        reasons.append(observed.progress.why)
    else:
        reasons += _of_tables(observed.progress)
    if isinstance(observed.ends, Away):
        reasons.append(observed.ends.why)
    elif isinstance(observed.progress, Progress) and _stalled(observed.progress, observed.lag or 0):
        since = observed.progress.closed_age_s
        when = "has not finished a batch yet" if since is None else f"finished its last batch {since:.0f} s ago"
        reasons.append(f"{observed.lag} rows wait and the job {when}: see that it runs")
    return reasons


def _of_tables(progress: Progress) -> list[str]:
    if progress.revision != head_revision():
        there = progress.revision or "not made"
        return [f"the tables are {there}, this API needs {head_revision()}: start the job or the API of this version"]
    active = {model.model_type for model in progress.active}
    return [f"no {name} is active: activate one" for name in MODEL_TYPES if name not in active]


def _stalled(progress: Progress, lag: int) -> bool:
    ages = [age for age in (progress.opened_age_s, progress.closed_age_s) if age is not None]
    return lag > 0 and min(ages, default=STALLED_S) >= STALLED_S
