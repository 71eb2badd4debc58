"""Makes the class-data archive of Spark's JVM, from what a session loads: `python -m jobs.archive_classes`."""

import sys
import tempfile
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from jobs.stages.session import end_jvm, spark_session
from jobs.stages.warm_up import warm_up
from netheal.host.class_data import archive_file
from netheal.settings import Settings, load_settings

_WRITTEN_S = 300.0


def archive_classes(settings: Settings) -> Path:
    """Start a session, end it, and put what its JVM writes then in the place of the archive that is there."""
    archive = archive_file(settings.paths.tools_dir)
    with tempfile.TemporaryDirectory(prefix=".archive-", dir=archive.parent) as folder:
        fresh = Path(folder) / archive.name
        spark = spark_session(settings, write_classes=fresh)
        _run_stream(spark, Path(folder) / "checkpoint", settings.stream.scoring_tasks)
        spark.stop()
        end_jvm(_WRITTEN_S)
        fresh.replace(archive)
    return archive


def _run_stream(spark: SparkSession, checkpoint: Path, tasks: int) -> None:
    """Run one batch of a stream with Python tasks, so that the JVM loads what a stream needs but for Kafka's source."""

    def batch(_rows: DataFrame, _: int) -> None:
        warm_up(spark, tasks)

    rows = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).load()
    options = {"checkpointLocation": str(checkpoint)}
    rows.writeStream.foreachBatch(batch).trigger(availableNow=True).options(**options).start().awaitTermination()


def main() -> int:
    """The entry point; 1 where no archive was made, without which everything works, more slowly."""
    try:
        archive = archive_classes(load_settings())
    except OSError as error:
        sys.stderr.write(f"no class-data archive was made, and Spark starts without one: {error}\n")
        return 1
    sys.stdout.write(f"class-data archive {archive}, {archive.stat().st_size / 2**20:.0f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
