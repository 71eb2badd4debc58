"""What goes on, in a word and a sentence: the first thing that keeps rows from being scored, if anything does."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from netheal.cli.watch import Look
from netheal.embedded.keeper import Condition
from netheal.store.stream_state import HEARTBEAT_LATE_S, StreamState

_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True)
class Stage:
    """`word` is short enough for a heading; `sentence` says what is awaited or wrong, empty where all is well."""

    word: str
    sentence: str = ""

    def __str__(self) -> str:
        """Both."""
        return f"{self.word}: {self.sentence}" if self.sentence else self.word


def stage_of(
    conditions: Mapping[str, Condition],
    look: Look,
    job: str,
    now: float | None = None,
    look_age_s: float | None = None,
    preparing: str = "",
) -> Stage:
    """The stage of a stack; `job` is the name of the streaming job among its children, `now` as of `time.time()`.

    `look_age_s` is how long ago the look's status was read, by the monotonic clock unless given; `preparing` says why
    tables and topics could not be made yet, if they could not.
    """
    now = time.time() if now is None else now
    look_age_s = time.monotonic() - look.began_at if look_age_s is None else look_age_s
    if look.disk is not None:
        return Stage("disk full", str(look.disk).removeprefix("disk full: "))
    for name, condition in conditions.items():
        if condition.stage in ("down", "failed"):
            reason = condition.reason.splitlines()[0] if condition.reason else "it ended"
            return Stage("waiting", f"{name} is down since {_clock(condition.since)} ({reason}), it is started again")
    awaited = [name for name, condition in conditions.items() if condition.stage != "ready"]
    if awaited:
        return Stage("starting", _roll_call(conditions))
    if look.began_at == 0 and not look.trouble:
        if preparing:
            return Stage("waiting", f"tables and topics are not made yet: {preparing}")
        return Stage("starting", "making tables and topics")
    if look.trouble:
        return Stage("waiting", look.trouble)
    if look_age_s > HEARTBEAT_LATE_S:
        return Stage("waiting", f"PostgreSQL, or the broker, hangs: no answer since {_clock(now - look_age_s)}")
    if look.status.lag is None:
        return Stage("waiting", "the Kafka broker does not answer")
    stage = _of_stream(look.status.stream, conditions.get(job), now)
    if stage == Stage("running") and look.status.batches == 0 and look.status.lag:
        return Stage("starting", "the first micro-batch is scored")
    return stage


def _of_stream(stream: StreamState | None, job: Condition | None, now: float) -> Stage:
    started_at = job.since if job is not None else 0.0
    reported_at = now - stream.heartbeat_age_s if stream is not None else 0.0
    if stream is None or reported_at < started_at - _CLOCK_SLACK_S:
        return Stage("starting", "awaiting the streaming job and its Spark session")
    if stream.ended:
        return Stage(stream.state, stream.reason or "the streaming job has ended")
    if not stream.alive:
        return Stage("waiting", f"the streaming job does not answer since {_clock(reported_at)}")
    if stream.state == "running":
        return Stage("running", stream.reason)
    return Stage(stream.state, stream.reason or "the streaming job gets ready")


def _roll_call(conditions: Mapping[str, Condition]) -> str:
    return ", ".join(f"{name} {condition.stage}" for name, condition in conditions.items())


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
