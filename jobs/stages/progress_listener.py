"""Spark's own durations of each micro-batch, into the job's metrics."""

from pyspark.sql.streaming.listener import (
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from jobs.stages.job_metrics import JobMetrics


class ProgressListener(StreamingQueryListener):
    """Called by the JVM, in a thread of its own: no micro-batch waits for it."""

    def __init__(self, metrics: JobMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        """Nothing: the job itself says so."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        """Take the durations of a micro-batch that had rows."""
        if event.progress.numInputRows:
            self._metrics.spark_progress(event.progress.durationMs)

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        """Nothing: the job itself says so."""
