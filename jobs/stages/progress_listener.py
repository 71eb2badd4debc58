"""Spark's own durations of each micro-batch, into the job's metrics."""

import json
from typing import Any, ClassVar

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

from jobs.stages.job_metrics import JobMetrics


class ProgressListener:
    """A StreamingQueryListener of Spark's, called by the JVM in a thread of its own: no micro-batch waits for it.

    pyspark's class of that name takes a progress report over field by field, in 10 ms of CPU; as JSON it is one call.
    """

    def __init__(self, metrics: JobMetrics) -> None:
        self._metrics = metrics

    def onQueryStarted(self, _event: Any) -> None:
        """Nothing: the job itself says so."""

    def onQueryProgress(self, event: Any) -> None:
        """Take the durations of a micro-batch; Spark also reports that there was none."""
        durations_ms = json.loads(event.progress().json())["durationMs"]
        if "addBatch" in durations_ms:
            self._metrics.spark_progress(durations_ms)

    def onQueryIdle(self, _event: Any) -> None:
        """Nothing."""

    def onQueryTerminated(self, _event: Any) -> None:
        """Nothing: the job itself says so."""

    class Java:
        """What py4j makes of this class."""

        implements: ClassVar = ["org.apache.spark.sql.streaming.PythonStreamingQueryListener"]


def add_listener(spark: SparkSession, listener: ProgressListener) -> None:
    """Let it hear of every query of the session."""
    gateway: Any = spark.sparkContext._gateway
    ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
    session: Any = spark._jsparkSession
    wrapper = gateway.jvm.org.apache.spark.sql.streaming.PythonStreamingQueryListenerWrapper
    session.streams().addListener(wrapper(listener))
