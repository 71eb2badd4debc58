"""The job begins again after what may pass, and leaves to another process what only that can mend."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs import score_stream
from jobs.stages.shutdown import ShutdownGate
from jobs.stages.state_reporter import StateReporter
from netheal.background_task import BackgroundTask, Stopped
from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.host.disk import DiskSpace, DiskWatch
from netheal.settings import Settings

Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture(autouse=True)
def keep_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this process are the servers of other tests."""
    monkeypatch.setattr(score_stream, "end_jvm", lambda: None)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the job said of itself."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(StateReporter, "report", lambda _, *report: found.append(report))
    return found


def failing(error: BaseException, gate: ShutdownGate, times: int = 2) -> Callable[..., None]:
    """A stream that falls that often, and then is asked to stop."""
    left = [error] * times

    def stream(*_: object) -> None:
        if left:
            raise left.pop()
        gate.requested.set()

    return stream


@pytest.fixture
def nowhere(settings: Settings) -> Settings:
    return settings.replaced(postgres_dsn=SecretStr("postgresql://netheal:x@127.0.0.1:1/netheal"))


def test_a_full_disk_is_waited_out_and_named(
    nowhere: Settings, monkeypatch: pytest.MonkeyPatch, reports: list[tuple[Any, ...]]
) -> None:
    gate, full = ShutdownGate(), DiskSpace(Path("/data"), 0, 2**30)
    monkeypatch.setattr(DiskWatch, "full", lambda _: full)
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(score_stream, "stream_until_stopped", failing(error, gate))
    assert score_stream.run(nowhere, gate) == 0
    assert [report for report in reports if report[0] == "retrying"] == [("retrying", str(full))] * 2


@pytest.mark.parametrize(("error", "status"), [(ServiceUnavailable("disk full"), 1), (SettingsError("read-only"), 2)])
def test_a_full_disk_before_the_beginning_is_no_refusal(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: NethealError, status: int
) -> None:
    def scratch(*_: object) -> None:
        raise error

    monkeypatch.setattr(score_stream, "use_scratch_folder", scratch)
    monkeypatch.setattr(score_stream, "load_settings", lambda: settings)
    monkeypatch.setattr(ShutdownGate, "listen", lambda _: None)
    assert score_stream.main() == status


def test_a_stop_has_the_time_that_the_settings_give_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    gates: list[ShutdownGate] = []

    def run(_: Settings, gate: ShutdownGate) -> int:
        gates.append(gate)
        return 0

    monkeypatch.setattr(score_stream, "run", run)
    monkeypatch.setattr(score_stream, "use_scratch_folder", lambda *_: None)
    monkeypatch.setattr(score_stream, "load_settings", lambda: settings.replaced(job_stop_s=9.0))
    monkeypatch.setattr(ShutdownGate, "listen", lambda _: None)
    assert score_stream.main() == 0
    assert [gate.stop_s for gate in gates] == [9.0]


def test_a_jvm_that_is_gone_ends_the_process_at_once(
    nowhere: Settings, monkeypatch: pytest.MonkeyPatch, reports: list[tuple[Any, ...]]
) -> None:
    gate = ShutdownGate()
    monkeypatch.setattr(score_stream, "stream_until_stopped", failing(ConnectionRefusedError(), gate))
    monkeypatch.setattr(score_stream, "spark_ended", lambda: True)
    assert score_stream.run(nowhere, gate) == 1
    ((state, reason),) = reports
    assert state == "stopped" and "Start the job again" in reason


def test_a_stop_before_the_stream_began_is_a_stop(
    nowhere: Settings, monkeypatch: pytest.MonkeyPatch, reports: list[tuple[Any, ...]]
) -> None:
    gate = ShutdownGate()

    def stream(*_: object) -> None:
        gate.requested.set()
        raise Stopped

    monkeypatch.setattr(score_stream, "stream_until_stopped", stream)
    assert score_stream.run(nowhere, gate) == 0
    assert reports == [("stopped",)]


def test_a_call_that_never_comes_back_is_left_when_asked(eventually: Eventually) -> None:
    stop, ended = threading.Event(), threading.Event()
    stuck = BackgroundTask("stuck", threading.Event().wait)

    def wait() -> None:
        with pytest.raises(Stopped):
            stuck.result(stop.is_set)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    stop.set()
    eventually(ended.is_set)


def test_what_a_call_returns_or_raises_is_its_result() -> None:
    stop = threading.Event()
    assert BackgroundTask("sum", lambda: 1 + 1).result(stop.is_set) == 2

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        BackgroundTask("fail", fail).result(stop.is_set)
