"""A stack ends whatever of it can be ended, within the time that there is."""

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from netheal.embedded import stack as stacking
from netheal.embedded.stack import LocalStack, job_environment
from netheal.host.lock import FolderLock
from netheal.settings import Settings
from netheal.shutdown_budget import JOB_S
from tests.conftest import Eventually


class Part:
    """A child or a server; it cannot remove its note on a file system that became read-only."""

    pid = 1

    def __init__(self) -> None:
        self.bounds_s: list[float] = []

    def stop(self, bound_s: float) -> None:
        self.bounds_s.append(bound_s)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stack(settings: Settings, told: list[str]) -> LocalStack:
    """One whose services are elsewhere."""
    elsewhere = {"kafka_bootstrap_servers": "127.0.0.1:1", "postgres_dsn": SecretStr("postgresql://127.0.0.1:1/x")}
    return LocalStack(settings.replaced(**elsewhere), told.append)


def test_one_thing_that_cannot_be_ended_does_not_keep_the_others(
    stack: LocalStack, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    parts = [Part() for _ in range(4)]
    anything: Any = stack
    with stack:
        anything._job, anything._api, anything._kafka, anything._postgres = parts
        monkeypatch.setattr(stacking, "forget_running", read_only)
        stack.stop(10.0)
        assert [len(part.bounds_s) for part in parts] == [1, 1, 1, 1]
        assert all(0 < part.bounds_s[0] <= 10.0 for part in parts)
        assert not FolderLock(stack.settings.paths.var_dir).held_elsewhere()
    assert sum("could not be ended cleanly" in text and "Read-only" in text for text in told) >= 5


def test_the_job_knows_the_time_that_a_stop_of_the_stack_leaves_it(stack: LocalStack) -> None:
    with stack:
        assert job_environment(stack.settings)["NETHEAL_JOB_STOP_S"] == str(JOB_S)


def test_a_notifier_is_kept_up_where_a_channel_is_set(stack: LocalStack, eventually: Eventually) -> None:
    with stack:
        stack.start_notifier()
        assert stack.conditions == {}, "nobody is to be told"
        stack.settings = stack.settings.replaced(notify_syslog_url="udp://127.0.0.1:9")
        stack.start_notifier()
        eventually(lambda: "notifier" in stack.pids)
        first = stack.pids["notifier"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: stack.pids.get("notifier", first) != first)
        log = stack.settings.paths.log_dir / "notifier.log"
        eventually(lambda: "notification.store_away" in log.read_text())
    assert stack.pids == {} and stack.failure is None


def test_a_notifier_that_refuses_to_start_ends_the_stack(stack: LocalStack, eventually: Eventually) -> None:
    with stack:
        stack.settings = stack.settings.replaced(notify_syslog_url="udp://")
        stack.start_notifier()
        eventually(lambda: stack.failure is not None)
        assert "NETHEAL_NOTIFY_SYSLOG_URL" in str(stack.failure)


def test_a_lock_on_a_full_disk_is_held_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    for _ in range(2):
        with FolderLock(tmp_path):
            assert FolderLock(tmp_path).held_elsewhere()


def test_the_jobs_metrics_keep_their_port_over_restarts(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStack, "_start_job", lambda *_: None)
    ports = []
    for _ in range(2):
        with stack:
            stack.start_job()
            ports.append(stack.settings.stream.job_metrics_port)
            assert job_environment(stack.settings)["NETHEAL_JOB_METRICS_PORT"] == str(ports[-1])
            stack.settings = stack.settings.replaced(job_metrics_port=0)
    assert ports[0] == ports[1] > 0
