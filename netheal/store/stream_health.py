"""Whether the stream is well: the one rule of `/health`, the terminal, `netheal status` and `netheal doctor`.

Each of them says it in its own words.
"""

import math
from typing import Literal

from netheal.store.progress import Progress

FIRST_REPORT_S = 120.0
"""So long a job that was just started may take to report: imports take long on a busy machine."""
START_S = 300.0
"""A job that starts for longer is not taken for one that will be there soon."""
STALLED_S = 60.0
"""A job with rows to score begins or ends a batch more often than that."""

StreamHealth = Literal[
    "running",  # and nothing is wrong
    "awaited",  # the job has not reported yet, and may still be starting
    "unreported",  # no job has reported, though it had the time to
    "starting",  # as the job itself says
    "overdue",  # starting for too long
    "retrying",  # as the job itself says: something failed, it tries again
    "stalled",  # running, but rows wait and no batch begins or ends
    "silent",  # the job has stopped reporting without a word
    "stopped",  # as the job itself says
    "refused",  # as the job itself says: a person must act
]


def stream_health(progress: Progress, lag: int | None, reachable_s: float = math.inf) -> StreamHealth:
    """What is wrong first, if anything is.

    `lag` in rows, None where it is not known; `reachable_s` is for how long a job, if there is one, could have
    reported: since it was started, or since Postgres is up, whichever the caller knows of.
    """
    stream = progress.stream
    if stream is None:
        return "awaited" if reachable_s < FIRST_REPORT_S else "unreported"
    explained = stream.state == "refused" or (stream.state == "stopped" and bool(stream.reason))
    unheard = not stream.alive and not explained and stream.heartbeat_age_s > reachable_s
    if unheard and reachable_s < FIRST_REPORT_S:
        return "awaited"
    if not stream.alive and not stream.ended:
        return "silent"
    if stream.state == "starting" and stream.since_age_s >= START_S:
        return "overdue"
    if stream.state == "running" and lag and still_s(progress) >= STALLED_S:
        return "stalled"
    return stream.state


def still_s(progress: Progress) -> float:
    """Seconds since a batch was last begun or done, or since the job is in its state, if that is later."""
    ages = [progress.opened_age_s, progress.closed_age_s, progress.stream.since_age_s if progress.stream else None]
    return min((age for age in ages if age is not None), default=math.inf)
