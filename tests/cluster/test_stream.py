"""The stream on Spark's standalone cluster: what local[2] gives, whatever becomes of workers and drivers."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from netheal.traffic.generator import TrafficGenerator
from tests.cluster.spark_cluster import SparkCluster
from tests.object_store import new_bucket, s3_server
from tests.stack.exactly_once import assert_exactly_once, assert_no_part_left_over
from tests.stack.harness import World, eventually
from tests.whole_records import WholeRecord

pytestmark = pytest.mark.stack

ROWS = 40_000
PARTITIONS = 8
JOB = "score_stream.py"
STOPPED = (0, 143)
"""spark-submit's JVM may tell of the signal."""


def rows_of(world: World) -> tuple[pa.Table, pa.Table]:
    """What stands in Delta."""
    return world.verdicts(), world.quarantine()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3_server() as endpoint:
        yield new_bucket(endpoint, monkeypatch)


def test_the_cluster_gives_the_rows_that_one_machine_gives(
    make_world: Callable[..., World], cluster: SparkCluster, host: Path, var_folder: Path, bucket: str
) -> None:
    """With tables and models in an object store, and the environment as an archive."""
    there = {name: f"s3a://{bucket}/{name}" for name in ("store_root", "artefacts_root")}
    world = make_world(topic_partitions=PARTITIONS, scoring_tasks=4, **there)
    world.send(TrafficGenerator(31).messages(ROWS))
    cluster.start(workers=2, cores=1)
    job = cluster.submit(world, host, JOB)
    world.wait_done(ROWS)
    world.stop(job, statuses=STOPPED)
    assert_exactly_once(world)
    alone = make_world(
        topic_partitions=PARTITIONS,
        input_topic=world.settings.stream.input_topic,
        store_root=str(var_folder / "alone" / "delta"),
        checkpoint_dir=str(var_folder / "alone" / "checkpoint"),
    )
    local = alone.start()
    alone.wait_done(ROWS)
    alone.stop(local)
    assert rows_of(world) == rows_of(alone)


@contextmanager
def held_in_the_middle(world: World, tasks: int) -> Iterator[None]:
    """A micro-batch that has just been begun, `tasks` tasks of which wait to store their rows in Postgres."""
    connection = psycopg2.connect(world.dsn, connect_timeout=10)
    try:
        with connection.cursor() as cursor:
            cursor.execute("lock table verdicts in share mode")
            now_ms = time.time_ns() // 1_000_000
            messages = TrafficGenerator(32).messages(ROWS)
            world.send_whole((WholeRecord(now_ms, None, value, ()) for value in messages), transaction="commit")
            waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database"
            waiting += " where datname = current_database())"
            eventually(lambda: world.ask(waiting)[0][0] >= tasks, f"{tasks} tasks wait in the middle", 120)
            yield
    finally:
        connection.close()


def other_host(host: Path, folder: Path) -> Path:
    """Another client machine: the same files in another place."""
    return Path(shutil.copytree(host, folder, symlinks=True, copy_function=os.link))


def test_a_worker_and_then_the_driver_are_lost_in_the_middle_of_a_batch(
    make_world: Callable[..., World], cluster: SparkCluster, host: Path, tmp_path: Path
) -> None:
    world = make_world(topic_partitions=PARTITIONS, scoring_tasks=4, max_offsets_per_batch=ROWS)
    cluster.start(workers=2, cores=1)
    world.send(TrafficGenerator(33).messages(PARTITIONS))
    on_nodes = ("--conf", f"spark.pyspark.python={host / 'environment' / 'bin' / 'python'}")
    first = cluster.submit(world, host, JOB, options=on_nodes)
    world.wait_done(PARTITIONS)
    with held_in_the_middle(world, tasks=2):
        cluster.workers[0].kill()
        cluster.add_worker(cores=1)
    world.wait_done(PARTITIONS + ROWS)
    assert first.events("batch.replayed") == [], "one lost task ended the batch"
    assert_exactly_once(world)
    assert_no_part_left_over(world)
    with held_in_the_middle(world, tasks=2):
        first.kill()
    second = cluster.submit(world, other_host(host, tmp_path / "other"), JOB, options=on_nodes)
    world.wait_done(PARTITIONS + 2 * ROWS)
    assert second.events("batch.replayed"), "the driver was not lost in the middle of a batch"
    world.stop(second, statuses=STOPPED)
    assert_exactly_once(world)
