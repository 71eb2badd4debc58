"""What `netheal up` starts is killed while rows flow: all of it comes back, and every row arrives."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from netheal.host.process import Identity, recorded
from netheal.settings import PROJECT_ROOT
from tests.deadlines import DEADLINE_S, STOP_S
from tests.stack.exactly_once import assert_exactly_once, assert_nothing_twice
from tests.stack.harness import NETHEAL, Job, eventually, processes_of, reopened

pytestmark = pytest.mark.stack

RATE = 300
SMALL_DISK_MB = 450
DRAIN_S = 5


class Running:
    """A `netheal up` from outside."""

    def __init__(self, var: Path, log: Path | None = None, **settings: str) -> None:
        self._var = var
        argv = [*NETHEAL, "up", "--var", str(var), "--traffic", "generated", "--rate", str(RATE), "--json"]
        env = {"NETHEAL_DRIVER_MEMORY": "1g", "NETHEAL_STOP_DRAIN_S": str(DEADLINE_S), **settings}
        self.up = Job(argv, env, log or var / "up.log")

    def _ask(self, statement: str) -> list[Any] | None:
        """Rows of a statement; None where Postgres does not answer."""
        try:
            port = json.loads((self._var / "postgres" / "ports.json").read_text())["postgres"]
            password = (self._var / "postgres" / "password").read_text()
            dsn = f"postgresql://netheal:{password}@127.0.0.1:{port}/netheal"
            connection = psycopg2.connect(dsn, connect_timeout=10)
        except (OSError, psycopg2.OperationalError):
            return None
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        except psycopg2.Error:
            return None
        finally:
            connection.close()

    def rows(self) -> int | None:
        """Rows that the ledger calls done; None where Postgres does not answer."""
        found = self._ask("select coalesce(sum(verdicts + rejected), 0) from batches where state = 'done'")
        return int(found[0][0]) if found else None

    def disk_outages(self) -> list[tuple[str, Any]] | None:
        """Reason and end of the outages of the disk, once there is one that is over."""
        found = self._ask("select reason, ended_at from outages where subject = 'disk' order by id")
        return found if found and found[-1][1] else None

    def wait_progress(self, what: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until rows that came after now are done."""
        before = eventually(lambda: self.rows() or None, f"the ledger answers {what}", deadline_s)

        def look() -> bool:
            assert self.up.process.poll() is None, self.up.tail()
            return (self.rows() or 0) > before + 2 * RATE

        eventually(look, f"rows flow {what}", deadline_s)

    def status(self) -> dict[str, Any]:
        """What `netheal status --json` says."""
        argv = [*NETHEAL, "status", "--json", "--var", str(self._var)]
        done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        return dict(json.loads(done.stdout))

    def process(self, record: str) -> Identity:
        """The process that a record in the folder names."""
        found = recorded(self._var / record)
        assert found is not None, f"nothing runs that {record} names"
        return found

    def kill_up(self) -> None:
        """SIGKILL to `netheal up` alone, if it is there."""
        if self.up.process.poll() is None:
            os.kill(self.up.process.pid, signal.SIGKILL)
        self.up.process.wait()

    def kill(self, record: str) -> None:
        """SIGKILL, and another process must take its place."""
        victim = self.process(record)
        victim.send(signal.SIGKILL)
        self.wait_replaced(record, victim)

    def wait_replaced(self, record: str, victim: Identity) -> None:
        """Another process takes the place of a dead one."""
        eventually(lambda: recorded(self._var / record) not in (None, victim), f"{record} names another process")


@pytest.mark.slow
def test_broker_postgres_and_jvm_are_killed_while_rows_flow(var_folder: Path) -> None:
    running = Running(var_folder)
    try:
        running.wait_progress("at first")
        job = running.process("job.pid")
        running.kill("kafka/broker.json")
        running.wait_progress("after the broker was killed")
        running.kill("postgres/postmaster.json")
        running.wait_progress("after PostgreSQL was killed")
        assert running.process("job.pid") == job, "the job did not outlive an outage of its services"
        jvm = next(p for p in psutil.Process(job.pid).children() if "java" in p.name())
        jvm.kill()
        running.wait_replaced("job.pid", job)
        running.wait_progress("after the JVM was killed")
        running.up.terminate()
        assert running.up.wait_exit() == 0, running.up.tail()
    finally:
        running.kill_up()
    report = json.loads(running.up.output().splitlines()[-1])
    assert report["sent"] == report["verdicts_delta"] + sum(report["rejected"].values())
    assert (report["duplicates_delta"], report["duplicates_postgres"]) == (0, 0)
    assert report["verdicts_postgres"] == report["verdicts_delta"]
    with reopened(var_folder) as world:
        assert_exactly_once(world)
        assert len(world.records()) == report["sent"]


@pytest.fixture
def small_disk(var_folder: Path) -> Iterator[Path]:
    """A file system of its own, which a test can fill."""
    folder = var_folder / "small"
    folder.mkdir(mode=0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m,mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system that a test can fill needs root and the right to mount one")
    try:
        yield folder
    finally:
        # Whatever still runs there is ended with the rest of the test; until then the mount is only out of sight.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all space that is left; the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(2**20))
        except OSError:
            pass
    return filler


@pytest.mark.slow
def test_a_disk_that_fills_is_named_and_waited_out(small_disk: Path, var_folder: Path) -> None:
    running = Running(
        small_disk, var_folder / "up.log", NETHEAL_MIN_FREE_DISK_MB="100", NETHEAL_STOP_DRAIN_S=str(DRAIN_S)
    )
    try:
        running.wait_progress("at first")
        up = running.up
        filler = fill(small_disk)
        full = f"0 MiB of {SMALL_DISK_MB} MiB free at {small_disk}: free some"
        eventually(lambda: full in up.output(), "it is said what is full and where")
        broker = recorded(small_disk / "kafka" / "broker.json")
        if broker is not None:  # it lasts for as long as it has room in its open segments
            broker.send(signal.SIGKILL)
        said = running.status()
        assert said["running"] and full in said["disk_full"]
        assert up.process.poll() is None, up.tail()
        filler.unlink()
        running.wait_progress("after there was room again")
        outages = eventually(running.disk_outages, "the outage is recorded")
        assert all(ended for _, ended in outages) and f"free at {small_disk}" in outages[0][0]

        fill(small_disk)
        eventually(lambda: running.status()["disk_full"], "the disk is full again")
        asked = time.monotonic()
        up.terminate()
        assert up.wait_exit() == 0, up.tail()
        took_s = time.monotonic() - asked
        assert "stopped: " in up.output().splitlines()[-1]
        assert took_s < STOP_S, f"it took {took_s:.0f} s to stop"
        (small_disk / "filler").unlink()
        eventually(lambda: not processes_of(small_disk), "nothing of it is left")
    finally:
        running.kill_up()
    with reopened(small_disk) as world:
        assert_nothing_twice(world)
        ids = world.verdicts()["event_id"].to_pylist() + world.quarantine()["event_id"].to_pylist()
        done = world.ask("select sum(verdicts + rejected)::bigint from batches where state = 'done'")
        assert done == [(len(ids),)], "the ledger and Delta disagree"
