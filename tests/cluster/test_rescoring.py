"""The batch job on Spark's standalone cluster gives the rows that local[2] gives."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.cluster.spark_cluster import SparkCluster
from tests.stack.harness import Job, World
from tests.unit.rescoring.runs import attack_rows, csv_of

pytestmark = pytest.mark.stack

STARTER_MODELS = {"NETHEAL_POSTGRES_DSN": ""}
"""Without a registry, a run takes these."""
FILES, ROWS = 6, 2_000
OF_A_RUN = ["recorded_at", "date"]


def told(job: Job) -> dict[str, Any]:
    """The report on the last line of its output."""
    found: dict[str, Any] = json.loads(job.output().splitlines()[-1])
    return found


def stored(output: Path, name: str) -> pa.Table:
    """A table of the run without what says when it was, by file and line."""
    table = DeltaTable(str(output / name)).to_pyarrow_table().drop_columns(OF_A_RUN)
    return table.sort_by([("file", "ascending"), ("line", "ascending"), ("event_id", "ascending")])


def test_the_cluster_gives_the_rows_that_one_machine_gives(
    make_world: Callable[..., World], cluster: SparkCluster, host: Path, var_folder: Path
) -> None:
    world = make_world()
    inputs = var_folder / "exports"
    inputs.mkdir()
    for number in range(FILES):
        (inputs / f"{number}.csv").write_text(csv_of(attack_rows(ROWS, seed=number)))
    outputs = {name: var_folder / name for name in ("cluster", "alone")}
    cluster.start(workers=2, cores=1)

    def arguments(name: str) -> tuple[str, ...]:
        return ("--run-id", "r", "--json", "--output", str(outputs[name]), str(inputs))

    on_cluster = cluster.submit(world, host, "rescore_csv.py", *arguments("cluster"), **STARTER_MODELS)
    assert on_cluster.wait_exit() == 0, on_cluster.tail()
    alone = world.start([sys.executable, "-m", "jobs.rescore_csv", *arguments("alone")], **STARTER_MODELS)
    assert alone.wait_exit() == 0, alone.tail()
    same = ("verdicts", "rejected", "errors")
    assert [told(on_cluster)[key] for key in same] == [told(alone)[key] for key in same]
    for name in ("rescored_verdicts", "rescored_rejected"):
        table = stored(outputs["cluster"], name)
        assert table == stored(outputs["alone"], name)
        assert table.num_rows > 0
    report = json.loads((outputs["cluster"] / "runs" / "r" / "report.json").read_text())
    assert report == json.loads((outputs["alone"] / "runs" / "r" / "report.json").read_text())
