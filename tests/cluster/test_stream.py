"""The stream on Spark's standalone cluster: what local[2] gives, whatever becomes of workers and drivers."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from netheal.traffic.generator import TrafficGenerator
from tests.cluster.spark_cluster import SparkCluster
from tests.stack.exactly_once import assert_exactly_once, assert_no_part_left_over
from tests.stack.harness import World

pytestmark = pytest.mark.stack

ROWS = 40_000
PARTITIONS = 8
JOB = "score_stream.py"


def rows_of(world: World) -> tuple[pa.Table, pa.Table]:
    """What stands in Delta."""
    return world.verdicts(), world.quarantine()


def test_the_cluster_gives_the_rows_that_one_machine_gives(
    make_world: Callable[..., World], cluster: SparkCluster, host: Path, var_folder: Path
) -> None:
    world = make_world(topic_partitions=PARTITIONS, scoring_tasks=4)
    world.send(TrafficGenerator(31).messages(ROWS))
    cluster.start(workers=2, cores=1)
    job = cluster.submit(world, host, JOB)
    world.wait_done(ROWS)
    world.stop(job, statuses=(0, 143))
    assert_exactly_once(world)
    assert_no_part_left_over(world)
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
