"""One sentence says what keeps rows from being scored."""

import time
from pathlib import Path

import pytest

from netheal.cli.stage import StatusLine, stage_of
from netheal.cli.status import Status
from netheal.cli.stream_monitor import StreamSnapshot
from netheal.embedded.stack import BROKER, JOB, POSTGRES
from netheal.embedded.supervisor import ChildState
from netheal.host.disk import DiskSpace
from netheal.store.progress import Progress
from netheal.store.stream_state import StreamState

NOW = 1_800_000_000.0
STARTED = NOW - 100.0
READY = {name: ChildState("ready", STARTED) for name in (POSTGRES, BROKER, JOB)}


def look(stream: StreamState | None = None, lag: int | None = 0, batches: int = 5, trouble: str = "") -> StreamSnapshot:
    progress = Progress(batches=batches, stream=stream, closed_age_s=70.0)
    return StreamSnapshot(Status(progress, lag=lag), began_at=1.0, trouble=trouble)


def said(found: StreamSnapshot, **conditions: ChildState) -> str:
    return str(stage_of({**READY, **conditions}, found, JOB, NOW, look_age_s=1.0))


def test_a_stream_that_runs() -> None:
    assert said(look(StreamState("running", "", heartbeat_age_s=1.0))) == "running"


def test_a_full_disk_comes_before_what_it_breaks() -> None:
    found = StreamSnapshot(disk=DiskSpace(Path("/data"), 2**20, 2**30))
    text = said(found, **{BROKER: ChildState("down", NOW, "ended")})
    assert text == "disk full: 1 MiB of 1.0 GiB free at /data: free some, netheal then continues by itself"


def test_a_service_that_is_down_is_named_with_since_when() -> None:
    text = said(look(StreamState("running", "")), **{BROKER: ChildState("down", NOW, "it was killed\nmore")})
    clock = time.strftime("%H:%M:%S", time.localtime(NOW))
    assert text == f"waiting: {BROKER} is down since {clock} (it was killed), it is being restarted"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (StreamSnapshot(), "starting: making tables and topics"),
        (look(None), "starting: awaiting the streaming job and its Spark session"),
        (look(StreamState("stopped", "", heartbeat_age_s=500.0)), "starting: awaiting the streaming job and its Spark"),
        (look(StreamState("starting", "awaiting PostgreSQL", heartbeat_age_s=1.0)), "starting: awaiting PostgreSQL"),
        (look(StreamState("retrying", "batch 7 failed", heartbeat_age_s=1.0)), "retrying: batch 7 failed"),
        (look(StreamState("refused", "adopt the topic", heartbeat_age_s=1.0)), "refused: adopt the topic"),
        (look(StreamState("running", "", heartbeat_age_s=1.0), lag=9, batches=0), "starting: the first micro-batch"),
        (look(StreamState("running", "", heartbeat_age_s=1.0), lag=None), "waiting: the Kafka broker does not answer"),
        (look(trouble="Postgres does not answer: refused"), "waiting: Postgres does not answer: refused"),
    ],
)
def test_what_is_awaited(found: StreamSnapshot, text: str) -> None:
    assert said(found).startswith(text)


def test_tables_that_cannot_be_made_are_said() -> None:
    stage = stage_of(READY, StreamSnapshot(), JOB, NOW, look_age_s=1.0, preparing="KeyError: 'flows'")
    assert str(stage) == "waiting: tables and topics are not made yet: KeyError: 'flows'"


def test_a_first_look_that_fails_is_said() -> None:
    assert said(StreamSnapshot(trouble="ValueError: odd")) == "waiting: ValueError: odd"


def test_a_job_that_stands_still_while_rows_wait_is_not_running() -> None:
    stands = StreamState("running", "", heartbeat_age_s=1.0, since_age_s=90.0)
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 70.0))
    text = f"waiting: the streaming job has neither begun nor finished a batch since {clock}"
    assert said(look(stands, lag=9)) == text
    assert said(look(stands, lag=0)) == "running"


def test_a_job_that_does_not_get_started_is_not_starting() -> None:
    text = said(look(StreamState("starting", "awaiting the JVM", heartbeat_age_s=1.0, since_age_s=301.0)))
    assert text == "waiting: the streaming job does not get started: awaiting the JVM"
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 121.0))
    text = said(look(None), **{JOB: ChildState("ready", NOW - 121.0)})
    assert text == f"waiting: the streaming job has not reported since it was started at {clock}"


def test_a_job_that_froze_is_not_running() -> None:
    text = said(look(StreamState("running", "", heartbeat_age_s=40.0)))
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 40.0))
    assert text == f"waiting: the streaming job does not answer since {clock}"


def test_a_service_that_hangs_is_not_running() -> None:
    stage = stage_of(READY, look(StreamState("running", "", heartbeat_age_s=1.0)), JOB, NOW, look_age_s=30.0)
    clock = time.strftime("%H:%M:%S", time.localtime(NOW - 30.0))
    assert str(stage) == f"waiting: PostgreSQL, or the broker, hangs: no answer since {clock}"


def test_services_that_start_are_called_by_name() -> None:
    found = said(StreamSnapshot(), **{POSTGRES: ChildState("starting", NOW)})
    assert found == f"starting: {POSTGRES} starting, {BROKER} ready, {JOB} ready"
    assert StatusLine("running") == StatusLine("running", "")
