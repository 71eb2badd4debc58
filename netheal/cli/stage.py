"""What goes on, in a word and a sentence: the first thing that keeps rows from being scored, if anything does."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from netheal.cli.status import Status
from netheal.cli.stream_monitor import StreamSnapshot
from netheal.embedded.supervisor import ChildState
from netheal.store.stream_health import StreamHealth, still_s
from netheal.store.stream_state import HEARTBEAT_LATE_S, StreamState

_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True)
class StatusLine:
    """`word` is short enough for a heading; `sentence` says what is awaited or wrong, empty where all is well."""

    word: str
    sentence: str = ""

    def __str__(self) -> str:
        """Both."""
        return f"{self.word}: {self.sentence}" if self.sentence else self.word


def stage_of(
    conditions: Mapping[str, ChildState],
    look: StreamSnapshot,
    job: str,
    now: float | None = None,
    look_age_s: float | None = None,
    preparing: str = "",
) -> StatusLine:
    """The stage of a stack; `job` is the name of the streaming job among its children, `now` as of `time.time()`.

    `look_age_s` is how long ago the look's status was read, by the monotonic clock unless given; `preparing` says why
    tables and topics could not be made yet, if they could not.
    """
    now = time.time() if now is None else now
    look_age_s = time.monotonic() - look.began_at if look_age_s is None else look_age_s
    if look.disk is not None:
        return StatusLine("disk full", str(look.disk).removeprefix("disk full: "))
    for name, condition in conditions.items():
        if condition.stage in ("down", "failed"):
            reason = condition.reason.splitlines()[0] if condition.reason else "it ended"
            return StatusLine(
                "waiting", f"{name} is down since {_clock(condition.since)} ({reason}), it is being restarted"
            )
    awaited = [name for name, condition in conditions.items() if condition.stage != "ready"]
    if awaited:
        return StatusLine("starting", _services_text(conditions))
    if look.began_at == 0 and not look.trouble:
        if preparing:
            return StatusLine("waiting", f"tables and topics are not made yet: {preparing}")
        return StatusLine("starting", "making tables and topics")
    if look.trouble:
        return StatusLine("waiting", look.trouble)
    if look_age_s > HEARTBEAT_LATE_S:
        return StatusLine("waiting", f"PostgreSQL, or the broker, hangs: no answer since {_clock(now - look_age_s)}")
    if look.status.lag is None:
        return StatusLine("waiting", "the Kafka broker does not answer")
    return _of_stream(look.status, conditions.get(job), now)


def _of_stream(status: Status, job: ChildState | None, now: float) -> StatusLine:
    """The rule of `stream_health` in the terminal's words; reports of a job that ran before this one are none."""
    started_at = job.since if job is not None else 0.0
    stream = status.progress.stream
    if stream is not None and now - stream.heartbeat_age_s < started_at - _CLOCK_SLACK_S:
        stream = None
        status = replace(status, progress=replace(status.progress, stream=None))
    health = status.health(now - started_at)
    if health == "awaited":
        return StatusLine("starting", "awaiting the streaming job and its Spark session")
    if stream is None:
        return StatusLine("waiting", f"the streaming job has not reported since it was started at {_clock(started_at)}")
    return _of_report(health, status, stream, now)


def _of_report(health: StreamHealth, status: Status, stream: StreamState, now: float) -> StatusLine:
    match health:
        case "running" if status.progress.batches == 0 and status.lag:
            return StatusLine("starting", "the first micro-batch is scored")
        case "running":
            return StatusLine("running", stream.reason)
        case "silent":
            return StatusLine(
                "waiting", f"the streaming job does not answer since {_clock(now - stream.heartbeat_age_s)}"
            )
        case "stalled":
            since = _clock(now - still_s(status.progress))
            return StatusLine("waiting", f"the streaming job has neither begun nor finished a batch since {since}")
        case "overdue":
            return StatusLine(
                "waiting", f"the streaming job does not get started: {stream.reason or 'its log says why'}"
            )
        case "stopped" | "refused":
            return StatusLine(health, stream.reason or "the streaming job has ended")
    return StatusLine(health, stream.reason or "the streaming job gets ready")


def _services_text(conditions: Mapping[str, ChildState]) -> str:
    return ", ".join(f"{name} {condition.stage}" for name, condition in conditions.items())


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
