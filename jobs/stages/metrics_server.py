"""The job's metrics over HTTP, from the first start of its stream until the process ends, whatever the stream does."""

import os
import threading
from typing import TYPE_CHECKING, Any, Self

from jobs.stages.state_reporter import StateReporter
from netheal.embedded.running import JOB_METRICS_NOTE, forget_address, note_address
from netheal.errors import SettingsError
from netheal.host.disk import written_folders
from netheal.settings import Settings
from netheal.telemetry import emit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.stages.job_metrics import JobMetrics


class MetricsServer:
    """Answers from daemon threads, which hold up neither a start nor a stop."""

    def __init__(self, settings: Settings, reporter: StateReporter) -> None:
        self._settings = settings
        self._reporter = reporter
        self._metrics: JobMetrics | None = None
        self._server: Any = None
        self._listens_to_spark = False

    def __enter__(self) -> Self:
        """Nothing yet: see `metrics`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to listen; returns at once."""
        if self._server is not None:
            forget_address(self._settings.paths.var_dir / JOB_METRICS_NOTE)
            threading.Thread(target=self._server.shutdown, name="metrics-end", daemon=True).start()

    def metrics(self) -> "JobMetrics":
        """The metrics, the same at each call; the first one begins to listen.

        Raises SettingsError where it cannot.
        """
        if self._metrics is None:
            # Here, as they take a second to import, in which the JVM starts.
            from jobs.stages.disk_metrics import DiskMetrics
            from jobs.stages.job_metrics import JobMetrics
            from jobs.stages.lag_metrics import LagMetrics

            metrics = JobMetrics(lambda: self._reporter.state)
            metrics.registry.register(LagMetrics(self._settings))
            metrics.registry.register(DiskMetrics(written_folders(self._settings)))
            self._listen(metrics)
            self._metrics = metrics
        return self._metrics

    def listen_to(self, spark: "SparkSession") -> None:
        """Take Spark's own durations of every batch; the session is the same for streams that are begun again."""
        if not self._listens_to_spark:
            from jobs.stages.progress_listener import ProgressListener, add_listener

            add_listener(spark, ProgressListener(self.metrics()))
            self._listens_to_spark = True

    def _listen(self, metrics: "JobMetrics") -> None:
        from prometheus_client import start_http_server

        host, port = self._settings.stream.job_metrics_host, self._settings.stream.job_metrics_port
        try:
            self._server, _ = start_http_server(port, host, metrics.registry)
        except OSError as error:
            raise SettingsError(
                f"the job's metrics cannot be shown at {host}:{port} ({error.strerror}): end what listens there, or"
                " change NETHEAL_JOB_METRICS_HOST or NETHEAL_JOB_METRICS_PORT"
            ) from error
        address = {"pid": os.getpid(), "url": _url(host, self._server.server_port)}
        note_address(self._settings.paths.var_dir / JOB_METRICS_NOTE, address)
        emit("metrics.serving", **address)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
