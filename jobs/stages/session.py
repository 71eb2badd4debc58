"""The Spark session: as spark-submit made it, or on this machine alone."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import SparkContext
from pyspark.sql import SparkSession

from jobs.stages.worker_sockets import socket_properties
from netheal.host.class_data import archive_file, reading, writing
from netheal.host.java import NO_PERF_DATA, contained
from netheal.host.process import kill_children
from netheal.onnx_telemetry import TELEMETRY_OFF
from netheal.settings import Settings

_LOCAL_CHECKPOINTS = (
    "spark.sql.streaming.checkpointFileManagerClass",
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager",
)

READS_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "2",  # 50 tasks for a log that one reads in no time, else
}
"""Properties of a session in which Spark itself reads Delta tables; the job, whose tasks do it, goes without."""

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_JVM_END_S = 2.0
_SET_BY_SPARK = {"SPARK_AUTH_SOCKET_TIMEOUT": "15", "SPARK_BUFFER_SIZE": "65536"}
"""Variables that pyspark sets as it starts, whatever stands in them."""


def read_properties(path: Path) -> dict[str, str]:
    """The `name value` lines of a Spark properties file."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}


def under_spark_submit() -> bool:
    """Whether spark-submit started this process (its scripts mark the environment so)."""
    return "SPARK_ENV_LOADED" in os.environ


def prepare_environment() -> None:
    """Set every variable that this process is going to set; to be called before it has a second thread.

    A variable that is added may move the table of all of them under a thread in C code, libpq's or librdkafka's, that
    reads it, which ends the process. One that is there is replaced in place. A second call changes nothing.
    """
    variables = {**TELEMETRY_OFF, **_SET_BY_SPARK}
    if not under_spark_submit():
        variables |= {
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "POLARS_MAX_THREADS": "1",
            "SPARK_LAUNCHER_OPTS": NO_PERF_DATA,
        }
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def spark_session(
    settings: Settings, properties: Mapping[str, str] | None = None, write_classes: Path | None = None
) -> SparkSession:
    """The session of spark-submit where there is one, else a local one with the jars of `settings`.

    `properties` are Spark's, by name, beside those of `conf/spark-defaults.conf`. A local session's JVM reads the
    class-data archive beside the jars, or writes it into `write_classes`.
    """
    prepare_environment()
    builder = SparkSession.builder
    for name, value in {**socket_properties(), **(properties or {})}.items():
        builder = builder.config(name, value)
    if not under_spark_submit():
        archive = writing(write_classes) if write_classes else reading(archive_file(settings.paths.tools_dir))
        builder = _local(builder, settings, archive)
    if "://" not in settings.paths.checkpoint:
        builder = builder.config(*_LOCAL_CHECKPOINTS)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark


def spark_ended() -> bool:
    """Whether this process had a Spark that is gone: its JVM, or its context alone. A process makes one only."""
    gateway: Any = SparkContext._gateway
    if gateway is None:
        return False
    try:
        gateway.jvm.java.lang.System.nanoTime()
        context: Any = SparkContext._active_spark_context
        return context is not None and bool(context._jsc.sc().isStopped())
    except (Py4JError, OSError):
        return True


def end_jvm(wait_s: float = _JVM_END_S) -> None:
    """End the JVM of this process, and whatever else it has started.

    A JVM that is asked to end while it starts, or makes its context, may stay for ever: it is killed after `wait_s`.
    """
    jvm = getattr(SparkContext._gateway, "proc", None)  # not there under spark-submit, nor while it is launched
    if jvm is not None:
        with suppress(OSError, subprocess.TimeoutExpired):
            jvm.stdin.close()  # what it takes as the request
            jvm.wait(wait_s)
    kill_children()


def _local(builder: SparkSession.Builder, settings: Settings, archive: Sequence[str]) -> SparkSession.Builder:
    jars = os.pathsep.join(str(jar) for jar in sorted((settings.paths.tools_dir / "spark").glob("*.jar")))
    scratch = settings.paths.var_dir / "spark"
    properties = read_properties(settings.paths.conf_dir / "spark-defaults.conf")
    options = [*contained(Path(tempfile.gettempdir())), *_log_layout(settings), *archive]
    java_options = " ".join([properties.pop(_JAVA_OPTIONS, ""), *map(_quoted, options)])
    for name, value in properties.items():
        builder = builder.config(name, value)
    return (
        builder.master(f"local[{settings.stream.scoring_tasks}]")
        .config("spark.driver.extraClassPath", jars)
        .config("spark.driver.memory", settings.stream.driver_memory)
        .config(_JAVA_OPTIONS, java_options)
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", str(scratch / "local"))
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
    )


def _log_layout(settings: Settings) -> list[str]:
    """The JVM's option for lines as JSON; Spark's own switch for it has no effect where Python starts the JVM."""
    if settings.log.format != "json":
        return []
    layout = settings.paths.conf_dir / "spark-log4j2-json.properties"
    return [f"-Dlog4j2.configurationFile={layout.resolve().as_uri()}"]


def _quoted(option: str) -> str:
    """As Spark splits a line of options: a folder's name may have spaces."""
    return '"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"'
