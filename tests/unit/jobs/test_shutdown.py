"""A request to stop is answered in a bounded time, whatever the job waits for."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from jobs.stages.retry import Backoff
from jobs.stages.shutdown import ShutdownGate
from netheal.settings import PROJECT_ROOT

STUCK = """
import threading
from jobs.stages.shutdown import ShutdownGate
gate = ShutdownGate(stop_s=1.2)
gate.listen()
print("ready", flush=True)
while True:
    threading.Event().wait(60)
"""

DONE_BUT_FOR_A_THREAD = """
import os, signal, threading
from jobs.stages.shutdown import ShutdownGate
gate = ShutdownGate(stop_s=1.2)
gate.listen()
threading.Thread(target=threading.Event().wait).start()
os.kill(os.getpid(), signal.SIGTERM)
gate.requested.wait()
gate.finish()
"""
DURING_AN_EXAMINATION = """
import sys, threading
from pathlib import Path
from unittest.mock import Mock
from netheal.background_task import BackgroundTask
from netheal.registry import starters
begun = threading.Event()
def examine(*_):
    begun.set()
    threading.Event().wait()
starters.examine_file = examine
BackgroundTask("preparation", lambda: starters.examine_starters(Path(sys.argv[1]), Path(sys.argv[2])))
begun.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_waits_for_ever_is_cut(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT_ROOT
    ) as job:
        assert job.stdout is not None and job.stderr is not None
        assert job.stdout.readline() == b"ready\n"
        job.send_signal(number)
        job.send_signal(number)
        assert job.wait(60) == 3
        assert b'"job.cut"' in job.stderr.read() or b"job.cut" in job.stdout.read()


def test_a_job_that_is_done_but_for_a_thread_is_cut() -> None:
    job = subprocess.run([sys.executable, "-c", DONE_BUT_FOR_A_THREAD], cwd=PROJECT_ROOT, timeout=60, check=False)
    assert job.returncode == 3


def test_an_examination_of_a_starter_model_does_not_hold_the_end_up(models: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", DURING_AN_EXAMINATION, str(models), str(tmp_path)]
    assert subprocess.run(argv, cwd=PROJECT_ROOT, timeout=60, check=False).returncode == 0


class NeverStopped(threading.Event):
    """Keeps how long it was waited for, and comes back at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return False


def test_it_never_gives_up_and_the_pauses_are_bounded() -> None:
    stop, backoff = NeverStopped(), Backoff()
    for _ in range(5_000):
        backoff.wait("it fails", stop)
    assert stop.pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert stop.pauses == sorted(stop.pauses) and stop.pauses[-1] == 30.0


def test_a_failure_long_ago_does_not_make_the_next_pause_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stop, backoff = NeverStopped(), Backoff()
    for at in (0.0, 1.0, 700.0):
        clock[0] = at
        backoff.wait("it fails", stop)
    assert stop.pauses == [0.5, 1.0, 0.5]


def test_a_stop_ends_the_pause() -> None:
    stop = threading.Event()
    stop.set()
    backoff = Backoff()
    for _ in range(50):
        backoff.wait("it fails", stop)


def test_maintenance_runs_between_batches_only() -> None:
    gate, ran = ShutdownGate(), threading.Event()
    gate.between_batches(ran.set)
    assert ran.is_set()

    def batch(_records: object, _batch_id: int) -> None:
        gate.between_batches(lambda: pytest.fail("a batch runs"))

    gate.guard(batch)(Mock(), 0)
    begun = threading.Thread(target=gate.guard(lambda _records, _batch_id: order.append("batch")), args=(Mock(), 1))
    order: list[str] = []

    def maintain() -> None:
        begun.start()
        begun.join(0.2)
        order.append("maintenance")

    gate.between_batches(maintain)
    begun.join()
    assert order == ["maintenance", "batch"]
