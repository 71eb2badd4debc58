"""A child process of a single machine: started, watched and ended by us, and never outliving us."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from netheal.errors import ServiceUnavailable
from netheal.host.process import identify, recorded, wait_gone
from netheal.telemetry import emit

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_S = 0.05
LOG_LIMIT_BYTES = 16 * 2**20
TAIL_BYTES = 2**16


@dataclass(frozen=True)
class Account:
    """Whom a child runs as when we are root; `closed`: its files lie in folders only root may enter."""

    uid: int
    gid: int
    closed: bool = False


@dataclass(frozen=True)
class Command:
    """What to start. `record` is a small file that tells the next start who was running."""

    name: str
    argv: tuple[str, ...]
    log: Path
    record: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None


class Cancelled(ServiceUnavailable):
    """A wait was given up because its caller was asked to stop."""


def raise_if_set(cancelled: threading.Event | None) -> None:
    """Raises Cancelled once the event is set."""
    if cancelled is not None and cancelled.is_set():
        raise Cancelled("asked to stop")


class Child:
    """One run of a command. It gets the stop signal when this process ends, however that happens."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id, also after it ended."""
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs, negative for a signal."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, after ending what an earlier run of ours left behind."""
        reclaim(self.command.record, self.command.stop_signal)
        with _open_log(self.command.log) as log:
            self._log_start = log.tell()
            self._process = _spawn(self.command, log)
        identity = identify(self._process.pid)
        try:
            if identity is not None:
                identity.save(self.command.record)
        except OSError:  # a full disk: what is not recorded must not run
            self.kill()
            raise
        emit("child.started", child=self.command.name, pid=self._process.pid)

    def wait_ready(
        self, ready: Callable[[], bool], deadline_s: float, cancelled: threading.Event | None = None
    ) -> None:
        """Return once `ready()` holds; raises ServiceUnavailable if the child ends or is too slow, Cancelled."""
        limit = time.monotonic() + deadline_s
        while not ready():
            if not self.alive:
                raise self._ended()
            raise_if_set(cancelled)
            if time.monotonic() > limit:
                raise ServiceUnavailable(
                    f"{self.command.name} was not ready within {deadline_s:.0f} s: see {self.command.log}"
                )
            time.sleep(POLL_S)

    def wait_done(self, deadline_s: float, cancelled: threading.Event | None = None) -> None:
        """Return once it ended well; raises ServiceUnavailable if it ended otherwise or is too slow, Cancelled."""
        limit = time.monotonic() + deadline_s
        while self.alive:
            raise_if_set(cancelled)
            if time.monotonic() > limit:
                raise ServiceUnavailable(
                    f"{self.command.name} was not done within {deadline_s:.0f} s: see {self.command.log}"
                )
            time.sleep(POLL_S)
        if self.returncode:
            raise self._ended()

    def _ended(self) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"{self.command.name} ended at once (exit {self.returncode}): {self.log_tail()} — see {self.command.log}"
        )

    def stop(self, bound_s: float = 20.0) -> None:
        """Ask it to end, and kill its process group when it has not within the bound."""
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(self.command.stop_signal)
            try:
                self._process.wait(bound_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()
        self.command.record.unlink(missing_ok=True)
        emit("child.stopped", child=self.command.name, pid=self.pid, returncode=self.returncode)

    def kill(self) -> None:
        """SIGKILL to its process group, now."""
        if self._process is not None and self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log_tail(self) -> str:
        """The last line of this run's log that says something; indented ones are a Java stack trace."""
        try:
            with self.command.log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, log.tell() - TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return "no log"
        return next((line for line in reversed(lines) if line.strip() and not line[0].isspace()), "no output")


def reclaim(record: Path, stop_signal: signal.Signals, bound_s: float = 10.0) -> None:
    """End the process that a run of ours started, recorded and could not end itself."""
    left = recorded(record)
    if left is not None:
        left.send(stop_signal)
        if not wait_gone(left, bound_s):
            left.send(signal.SIGKILL, group=True)
            wait_gone(left, bound_s)
    record.unlink(missing_ok=True)


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return path.open("ab")


def _spawn(command: Command, log: IO[bytes]) -> subprocess.Popen[bytes]:
    account = command.account
    spec = {
        "parent": os.getpid(),
        "death_signal": int(command.stop_signal),
        "uid": account.uid if account else None,
        "gid": account.gid if account else None,
        "closed": account.closed if account else False,
    }
    argv = [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(spec), *command.argv]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
        )

    return _spawner(os.getpid()).run(start)


class _Spawner:
    """A thread that starts the children and lives as long as this process.

    Linux sends the parent-death signal when the *thread* that started a child ends, so no thread of a
    caller may be the one.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[
            tuple[Future[subprocess.Popen[bytes]], Callable[[], subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="netheal-spawner", daemon=True).start()

    def run(self, call: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        self._calls.put((future, call))
        return future.result()

    def _serve(self) -> None:
        while True:
            future, call = self._calls.get()
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever awaits the child gets it
                future.set_exception(error)


@cache
def _spawner(pid: int) -> _Spawner:
    return _Spawner()
