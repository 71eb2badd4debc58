"""A checkpoint through Hadoop's file systems is the same as on a local folder."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.stages.checkpoint_files import HadoopFiles, checkpoint_files
from netheal.errors import SettingsError
from netheal.recovery.checkpoint import LocalFiles, ResumePoint, read_checkpoint
from netheal.recovery.checkpoint import checkpoint_files as files_of

QUERY = "48f86c55-4bce-4690-a02f-213e56bf6870"
POINT = ResumePoint(QUERY, 3, {"0": 10}, {"0": 20})


@pytest.mark.parametrize("kind", ["hadoop", "local"])
def test_made_anew_beside_the_old_one(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "checkpoint"
    files = HadoopFiles(spark, str(folder)) if kind == "hadoop" else LocalFiles(folder)
    assert files.names("offsets") == []
    assert files.read("metadata") is None
    assert files.replace(files_of("flows", ResumePoint(QUERY, 0, {"0": 0})), ".old") is None
    assert files.replace(files_of("flows", POINT), ".old") == f"{folder}.old"
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        "checkpoint",
        "checkpoint.old",
    }
    found = read_checkpoint(files, "flows")
    assert (found.query_id, found.last_offsets, found.last_commit, found.end) == (QUERY, 3, 2, {"0": 20})
    assert found.damage == ()
    assert files.replace({}, ".older") == f"{folder}.older"
    assert read_checkpoint(files, "flows").is_empty


def test_a_local_folder_is_read_and_synced_without_the_jvm(spark: SparkSession, tmp_path: Path) -> None:
    for location in (str(tmp_path), f"file://{tmp_path}"):
        assert isinstance(checkpoint_files(spark, location), LocalFiles)


@pytest.mark.parametrize("location", ["s3a://bucket/checkpoint", "nosuch://bucket/checkpoint"])
def test_a_kind_of_storage_that_spark_lacks_the_jars_for_is_for_a_person(spark: SparkSession, location: str) -> None:
    with pytest.raises(SettingsError, match="Spark lacks the jars for it") as told:
        checkpoint_files(spark, location)
    assert "\n" not in str(told.value)
