"""One rule says whether the stream is well, whoever asks."""

import math
from typing import Any

import pytest

from netheal.store.progress import Progress
from netheal.store.stream_health import FIRST_REPORT_S, STALLED_S, START_S, StreamHealth, stream_health
from netheal.store.stream_state import HEARTBEAT_LATE_S, State, StreamState

JUST, EARLY, LONG = 1.0, FIRST_REPORT_S - 1, math.inf


def job(state: State, reason: str = "", heartbeat_age_s: float = JUST, since_age_s: float = 0.0) -> StreamState:
    return StreamState(state, reason, heartbeat_age_s=heartbeat_age_s, since_age_s=since_age_s)


@pytest.mark.parametrize(
    ("stream", "reachable_s", "health"),
    [
        (None, EARLY, "awaited"),
        (None, FIRST_REPORT_S, "unreported"),
        (None, LONG, "unreported"),
        (job("running"), LONG, "running"),
        (job("retrying", "no"), LONG, "retrying"),
        (job("starting", since_age_s=START_S - 1), LONG, "starting"),
        (job("starting", since_age_s=START_S), LONG, "overdue"),
        (job("running", heartbeat_age_s=HEARTBEAT_LATE_S), LONG, "silent"),
        (job("starting", heartbeat_age_s=HEARTBEAT_LATE_S, since_age_s=START_S), LONG, "silent"),
        (job("running", heartbeat_age_s=9_000.0), EARLY, "awaited"),
        (job("running", heartbeat_age_s=EARLY - 1), EARLY, "silent"),
        (job("stopped"), LONG, "stopped"),
        (job("stopped", heartbeat_age_s=9_000.0), EARLY, "awaited"),
        (job("stopped", "its JVM has ended", heartbeat_age_s=9_000.0), EARLY, "stopped"),
        (job("refused", heartbeat_age_s=9_000.0), EARLY, "refused"),
    ],
)
def test_what_the_job_says_of_itself_or_says_no_longer(
    stream: StreamState | None, reachable_s: float, health: StreamHealth
) -> None:
    assert stream_health(Progress(stream=stream), 0, reachable_s) == health


@pytest.mark.parametrize(
    ("lag", "ages", "health"),
    [
        (1, {}, "stalled"),
        (1, {"opened_age_s": STALLED_S, "closed_age_s": STALLED_S}, "stalled"),
        (1, {"opened_age_s": STALLED_S - 1, "closed_age_s": 9_000.0}, "running"),
        (1, {"opened_age_s": 9_000.0, "closed_age_s": STALLED_S - 1}, "running"),
        (0, {}, "running"),
        (None, {}, "running"),
    ],
)
def test_rows_that_wait_while_no_batch_begins_or_ends(
    lag: int | None, ages: dict[str, Any], health: StreamHealth
) -> None:
    assert stream_health(Progress(stream=job("running", since_age_s=STALLED_S), **ages), lag) == health
    assert stream_health(Progress(stream=job("running", since_age_s=STALLED_S - 1), **ages), lag) == "running"
