"""What `netheal up` starts is killed while rows flow: all of it comes back, and every row arrives."""

import json
import os
import signal
from pathlib import Path

import psutil
import psycopg2
import pytest

from netheal.embedded.process import Identity, recorded
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import NETHEAL, Job, eventually, reopened

pytestmark = pytest.mark.stack

RATE = 300


class Running:
    """A `netheal up` from outside."""

    def __init__(self, var: Path) -> None:
        self._var = var
        argv = [*NETHEAL, "up", "--var", str(var), "--traffic", "generated", "--rate", str(RATE), "--json"]
        self.up = Job(argv, {"NETHEAL_DRIVER_MEMORY": "1g"}, var / "up.log")

    def rows(self) -> int | None:
        """Rows that the ledger calls done; None where Postgres does not answer."""
        try:
            port = json.loads((self._var / "postgres" / "ports.json").read_text())["postgres"]
            password = (self._var / "postgres" / "password").read_text()
            dsn = f"postgresql://netheal:{password}@127.0.0.1:{port}/netheal"
            connection = psycopg2.connect(dsn, connect_timeout=5)
        except (OSError, psycopg2.OperationalError):
            return None
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("select coalesce(sum(verdicts + rejected), 0) from batches where state = 'done'")
                return int((cursor.fetchone() or (0,))[0])
        except psycopg2.Error:
            return None
        finally:
            connection.close()

    def wait_progress(self, what: str, deadline_s: float = 90.0) -> None:
        """Wait until rows that came after now are done."""
        before = eventually(lambda: self.rows() or None, f"the ledger answers {what}", deadline_s)

        def look() -> bool:
            assert self.up.process.poll() is None, self.up.tail()
            return (self.rows() or 0) > before + 2 * RATE

        eventually(look, f"rows flow {what}", deadline_s)

    def process(self, record: str) -> Identity:
        """The process that a record in the folder names."""
        found = recorded(self._var / record)
        assert found is not None, f"nothing runs that {record} names"
        return found

    def kill(self, record: str) -> None:
        """SIGKILL, and another process must take its place."""
        victim = self.process(record)
        victim.send(signal.SIGKILL)
        self.wait_replaced(record, victim)

    def wait_replaced(self, record: str, victim: Identity) -> None:
        """Another process takes the place of a dead one."""
        eventually(lambda: recorded(self._var / record) not in (None, victim), f"{record} names another process", 60)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_broker_postgres_and_jvm_are_killed_while_rows_flow(var_folder: Path):
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
        assert running.up.wait_exit(90) == 0, running.up.tail()
    finally:
        if running.up.process.poll() is None:
            os.kill(running.up.process.pid, signal.SIGKILL)
        running.up.process.wait()
    report = json.loads(running.up.output().splitlines()[-1])
    assert report["sent"] == report["verdicts_delta"] + sum(report["rejected"].values())
    assert (report["duplicates_delta"], report["duplicates_postgres"]) == (0, 0)
    assert report["verdicts_postgres"] == report["verdicts_delta"]
    with reopened(var_folder) as world:
        assert_exactly_once(world)
        assert len(world.records()) == report["sent"]
