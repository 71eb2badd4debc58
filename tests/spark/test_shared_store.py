"""A folder that executors do not see is told at the start."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.stages import shared_store
from jobs.stages.shared_store import require_shared_store, tasks_without
from netheal.errors import SettingsError


class Cluster:
    """A session that says that it is on a cluster."""

    def __init__(self) -> None:
        self.sparkContext = self
        self.master = "spark://somewhere:7077"


def test_tasks_look_for_the_file(spark: SparkSession, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert tasks_without(spark, marker) == spark.sparkContext.defaultParallelism
    marker.touch()
    assert tasks_without(spark, marker) == 0


@pytest.mark.parametrize("missing", [0, 1])
def test_one_task_without_it_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    seen: list[bool] = []

    def look(_: object, marker: Path) -> int:
        seen.append(marker.exists())
        return missing

    monkeypatch.setattr(shared_store, "tasks_without", look)
    cluster, store = Cluster(), tmp_path / "delta"
    if missing:
        with pytest.raises(SettingsError, match="do not share with the driver"):
            require_shared_store(cluster, str(store))  # type: ignore[arg-type]
    else:
        require_shared_store(cluster, str(store))  # type: ignore[arg-type]
    assert seen == [True]
    assert list(store.iterdir()) == []


def test_nobody_is_asked_on_one_machine_or_of_a_uri(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_store, "tasks_without", lambda *_: 1)
    require_shared_store(spark, "/nowhere/delta")
    require_shared_store(Cluster(), "s3://bucket/delta")  # type: ignore[arg-type]
