"""Whether executors on other machines write to the same folder that the driver reads."""

import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from netheal.errors import SettingsError
from netheal.host.disk import write_error
from netheal.host.fsync import local_folder


def require_shared_store(spark: SparkSession, location: str) -> None:
    """Raise SettingsError where tables are in a folder that some executor does not have; a URI is everybody's.

    Executors that join later are not asked: a part of theirs that is not there fails its batch.
    """
    folder = local_folder(location)
    if folder is None or str(spark.sparkContext.master).startswith("local"):
        return
    marker = folder / f".shared-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker.touch()
        missing = tasks_without(spark, marker)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        marker.unlink(missing_ok=True)
    if missing:
        raise SettingsError(
            f"the tables are in {folder}, a folder that executors do not share with the driver: name one that all"
            " machines have, or an s3: or hdfs: URI"
        )


def tasks_without(spark: SparkSession, path: Path) -> int:
    """How many of some tasks, spread over the executors, do not see a file."""
    name, tasks = str(path), spark.sparkContext.defaultParallelism

    def look(_: Iterable[int]) -> Iterator[bool]:
        yield Path(name).exists()

    return spark.sparkContext.parallelize(range(tasks), tasks).mapPartitions(look).collect().count(False)
