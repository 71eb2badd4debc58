"""A child is started, watched, ended within a bound, and never outlives us."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from netheal.errors import ServiceUnavailable
from netheal.host import child as children
from netheal.host.child import Child, Command, reclaim
from netheal.host.process import Identity, identify, recorded

MakeChild = Callable[[str], Child]
Eventually = Callable[[Callable[[], object]], None]

SLEEP = "import time; print('up'); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"


def started(make_child: MakeChild, code: str) -> Child:
    child = make_child(code)
    child.start()
    child.wait_ready(lambda: child.log_tail() == "up", 20.0)
    return child


def test_a_child_is_alive_until_it_is_stopped(make_child: MakeChild) -> None:
    child = started(make_child, SLEEP)
    assert child.alive
    assert child.pid is not None and recorded(child.command.record) == identify(child.pid)
    child.stop()
    assert not child.alive
    assert child.returncode == -signal.SIGTERM
    assert not child.command.record.exists()


def test_a_child_that_does_not_listen_is_killed_after_the_bound(make_child: MakeChild) -> None:
    child = started(make_child, STUBBORN)
    child.stop(bound_s=0.2)
    assert child.returncode == -signal.SIGKILL


def test_a_child_that_ends_at_once_says_why(make_child: MakeChild) -> None:
    child = make_child("raise SystemExit('no such port')")
    child.start()
    with pytest.raises(ServiceUnavailable, match="exit 1.*no such port"):
        child.wait_ready(lambda: False, 20.0)


def test_a_child_that_is_too_slow_is_given_up(make_child: MakeChild) -> None:
    child = started(make_child, SLEEP)
    with pytest.raises(ServiceUnavailable, match="not ready within 0 s"):
        child.wait_ready(lambda: False, 0.1)


def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    child = Child(Command("sample", (str(tmp_path / "none"),), log=tmp_path / "log", record=tmp_path / "record"))
    child.start()
    with pytest.raises(ServiceUnavailable, match="cannot start .*No such file"):
        child.wait_done(20.0)


def test_a_child_outlives_the_thread_that_started_it(make_child: MakeChild) -> None:
    child = make_child(SLEEP)
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    child.wait_ready(lambda: child.log_tail() == "up", 20.0)
    assert child.alive


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path, eventually: Eventually) -> None:
    code = f"""
import sys, time
from pathlib import Path
from netheal.host import child as children
from netheal.host.child import Child, Command
folder = Path({str(tmp_path)!r})
argv = (sys.executable, "-c", "import time; time.sleep(600)")
Child(Command("sample", argv, log=folder / "log", record=folder / "record")).start()
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: recorded(tmp_path / "record") is not None)
        child = recorded(tmp_path / "record")
        assert child is not None
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: not child.alive)


def test_what_an_earlier_run_left_is_ended(tmp_path: Path, eventually: Eventually) -> None:
    left = subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.DEVNULL, start_new_session=True)
    record = tmp_path / "record"
    try:
        known = identify(left.pid)
        assert known is not None
        known.save(record)
        reclaim(record, signal.SIGTERM)
        assert left.wait(20) == -signal.SIGTERM
        assert not record.exists()
    finally:
        left.kill()


def test_a_pid_that_is_someone_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "record"
    me = identify(os.getpid())
    assert me is not None
    Identity(me.pid, me.start_ticks - 1, me.boot).save(record)
    reclaim(record, signal.SIGKILL)
    assert not record.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_spoilt_record_is_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "record").write_text(text)
    assert recorded(tmp_path / "record") is None


def test_a_long_log_is_put_aside(make_child: MakeChild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LOG_LIMIT_BYTES", 10)
    child = make_child(SLEEP)
    child.command.log.write_text("x" * 11)
    child.start()
    child.wait_ready(lambda: child.log_tail() == "up", 20.0)
    assert child.command.log.with_suffix(".log.1").read_text() == "x" * 11
