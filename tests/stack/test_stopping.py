"""A stop while rows flow: the micro-batch is finished, and the next start goes on from there."""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psutil
import pyspark
import pytest
from pydantic import SecretStr
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from jobs.stages.shutdown import ShutdownGate, Stopping
from netheal.settings import PROJECT_ROOT, load_settings
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import STOP_S
from tests.stack.exactly_once import assert_exactly_once, events_of
from tests.stack.harness import Job, World, eventually

pytestmark = pytest.mark.stack

BATCH_ROWS = 250
ROWS = 30 * BATCH_ROWS


def under_spark_submit(world: World) -> Job:
    """The job as a person starts it on a cluster's client, here with a local master."""
    jars = ",".join(map(str, sorted((load_settings().paths.tools_dir / "spark").glob("*.jar"))))
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    argv = [
        str(submit),
        *("--master", "local[2]", "--driver-memory", "1g", "--jars", jars),
        *("--properties-file", str(PROJECT_ROOT / "conf" / "spark-defaults.conf")),
        *("--conf", f"spark.local.dir={world.settings.paths.var_dir / 'spark'}"),
        str(PROJECT_ROOT / "jobs" / "score_stream.py"),
    ]
    return world.start(argv, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")


def stop_on_the_way(world: World, job: Job) -> int:
    """SIGTERM after some batches; its exit status. The batch that ran is finished, and no child is left."""
    job.wait_event("batch.committed", 2)
    family = psutil.Process(job.process.pid).children(recursive=True)
    job.terminate()
    status = job.wait_exit(STOP_S)
    eventually(lambda: not any(p.is_running() and p.status() != "zombie" for p in family), "its children are gone")
    assert job.events("job.stopped"), job.tail()
    assert world.ask("select 1 from batches where state = 'open'") == [], "the micro-batch was not finished"
    assert 0 < world.done_rows() < ROWS, "it was not stopped on the way"
    return status


@pytest.mark.slow
def test_sigterm_while_rows_flow(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(TrafficGenerator(21).messages(ROWS))
    job = world.start()
    assert stop_on_the_way(world, job) == 0, job.tail()
    ((ends,),) = world.ask("select end_offsets from batches order by batch_id desc limit 1")
    assert_exactly_once(world, events_of([r for r in world.records() if r.offset < ends[str(r.partition)]]))


@pytest.mark.slow
def test_sigterm_to_spark_submit_and_a_restart_without_it(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(TrafficGenerator(22).messages(ROWS))
    # Its process is a JVM, whose exit status tells of the signal.
    assert stop_on_the_way(world, under_spark_submit(world)) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)
    again = world.start(NETHEAL_MAX_OFFSETS_PER_BATCH="5000")
    world.wait_done(ROWS)
    world.stop(again)
    assert_exactly_once(world)


def test_sigterm_before_the_first_batch(make_world: Callable[..., World]) -> None:
    world = make_world()
    job = world.start()
    eventually(lambda: "WARN" in job.output() or job.events("job.started"), "the JVM is up")
    job.terminate()
    assert job.wait_exit(STOP_S) == 0, job.tail()


@pytest.mark.parametrize("missing", ["postgres", "broker"])
def test_sigterm_while_a_service_is_awaited(make_world: Callable[..., World], missing: str) -> None:
    nowhere: dict[str, dict[str, Any]] = {
        "postgres": {"postgres_dsn": SecretStr("postgresql://netheal:none@127.0.0.1:1/netheal")},
        "broker": {"kafka_bootstrap_servers": "127.0.0.1:1"},
    }
    world = make_world(**nowhere[missing])
    job = world.start()
    job.wait_event("state.not_reported" if missing == "postgres" else "model.imported")
    job.terminate()
    assert job.wait_exit(STOP_S) == 0, job.tail()
    assert job.events("job.stopped"), job.tail()


def test_a_stop_that_something_holds_up_is_answered_all_the_same(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from jobs.stages.shutdown import ShutdownGate\n"
        "from netheal.telemetry import configure_logging\n"
        "configure_logging()\n"
        "gate = ShutdownGate(stop_s=1.5)\n"
        "gate.listen()\n"
        "print('listening', flush=True)\n"
        "while True:\n"
        "    time.sleep(3600)\n"
    )
    log = tmp_path / "held.log"
    held = Job([sys.executable, "-c", code], {}, log)
    try:
        eventually(lambda: "listening" in held.output(), "it listens")
        held.terminate()
        assert held.wait_exit() == 3
        assert held.events("job.cut"), held.tail()
    finally:
        held.kill()


def test_a_batch_that_begins_while_the_query_stops_is_turned_away() -> None:
    """Spark's `stop` waits for the thread that runs batches: neither may wait for the other."""
    gate = ShutdownGate()
    outcome: list[BaseException] = []

    def begin() -> None:
        try:
            gate.guard(lambda _records, _batch_id: None)(cast(DataFrame, None), 1)
        except Stopping as stopping:
            outcome.append(stopping)

    class Query:
        def stop(self) -> None:
            batch = threading.Thread(target=begin, daemon=True)
            batch.start()
            batch.join(5)

    gate.close(cast(StreamingQuery, Query()))
    assert len(outcome) == 1
