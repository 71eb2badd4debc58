"""The streaming job: flow records from Kafka to verdicts in Delta, Postgres and the output topic.

Runs by `python -m jobs.score_stream` on one machine and by spark-submit on a cluster; stops cleanly on SIGTERM.
It ends by itself only where a person must act (status 2), or its JVM is gone or it could not even begin for a full
disk (status 1); whatever else happens, it says so and begins the stream again.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from jobs.stages.batch_attempt import BatchFailed, cause_of
from jobs.stages.metrics_server import MetricsServer
from jobs.stages.prepare_services import prepare_services
from jobs.stages.retry import Backoff
from jobs.stages.session import end_jvm, prepare_environment, spark_ended, spark_session, under_spark_submit
from jobs.stages.shutdown import ShutdownGate
from jobs.stages.state_reporter import StateReporter
from netheal.background_task import BackgroundTask
from netheal.errors import NethealError, ServiceUnavailable, StreamRefused
from netheal.host.disk import DiskWatch, written_folders
from netheal.host.scratch import use_scratch_folder
from netheal.settings import Settings, load_settings
from netheal.telemetry import configure_logging, emit

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

    from jobs.stages.startup import StreamParts

_POLL_INTERVAL_S = 1
_IDLE = "Waiting for data to arrive"
"""What Spark says of a query that has done every batch there is."""
_FAILED_STATUS = 1
_REFUSED_STATUS = 2


def stream_until_stopped(
    settings: Settings,
    gate: ShutdownGate,
    reporter: StateReporter,
    server: MetricsServer,
    parts: "StreamParts | None" = None,
) -> None:
    """Run the query until the gate closes; raises what ended it otherwise, Stopped where it was not begun yet."""
    stop = gate.requested
    reporter.report_start("awaiting the Spark session")
    session = BackgroundTask("spark-session", lambda: spark_session(settings))
    preparation = BackgroundTask("preparation", lambda: prepare_services(settings, stop, reporter.report_start))
    # Here, as these take seconds to import, in which the JVM starts.
    from jobs.stages.source import plan_batches
    from jobs.stages.startup import StreamParts, open_stream
    from jobs.stages.warm_up import warm_up

    metrics = server.metrics()
    spark = session.result(stop.is_set)
    server.listen_to(spark)
    gate.failure = None
    if under_spark_submit():
        gate.listen_to_jvm(spark)
    BackgroundTask("warm-up", lambda: warm_up(spark, settings.stream.scoring_tasks))
    preparation.result(stop.is_set)
    reporter.report_start("opening the stream")
    with open_stream(spark, settings, reporter, metrics, parts or StreamParts()) as stream:
        gate.opened = True
        query = (
            plan_batches(spark, settings, settings.kafka.bootstrap_servers)
            .writeStream.foreachBatch(gate.guard(stream.batch))
            .option("checkpointLocation", stream.checkpoint)
            .start()
        )
        try:
            _watch(query, gate, reporter, stream.maintain_if_idle)
        except PySparkException as error:
            failure = gate.failure or error
            if not stop.is_set() and not isinstance(failure, ServiceUnavailable | StreamRefused):
                stream.resume_check.explain_failure()
            raise failure from error
        finally:
            if stop.is_set():
                BackgroundTask("excuse-attempt", stream.uncount_attempt)
                gate.close(query)
            else:
                query.stop()


def _watch(query: "StreamingQuery", gate: ShutdownGate, reporter: StateReporter, maintain: Callable[[], None]) -> None:
    """Wait until the gate closes or the query ends; it runs from the first batch that succeeds, or waits for one."""
    done_before = gate.batches_done
    while not gate.requested.is_set() and query.isActive:
        query.awaitTermination(_POLL_INTERVAL_S)
        if gate.batches_done > done_before or query.status["message"] == _IDLE:
            reporter.report("running")
            gate.between_batches(maintain)


def run(settings: Settings, gate: ShutdownGate, parts: "StreamParts | None" = None) -> int:
    """Stream, and begin again after whatever may pass; the exit status."""
    prepare_environment()
    backoff = Backoff()
    dsn = settings.postgres.dsn.get_secret_value()
    with StateReporter(dsn, settings.stream.input_topic) as reporter, MetricsServer(settings, reporter) as server:
        while not gate.requested.is_set():
            try:
                stream_until_stopped(settings, gate, reporter, server, parts)
            except Exception as error:  # noqa: BLE001 – told to the operator, whatever it is
                if gate.requested.is_set():
                    break
                status = _final_status(error, gate, reporter)
                if status is not None:
                    return status
                _report_retry(error, reporter, settings)
                backoff.wait(cause_of(error), gate.requested)
        reporter.report("stopped")
    emit("job.stopped")
    return 0


def _final_status(error: Exception, gate: ShutdownGate, reporter: StateReporter) -> int | None:
    """The exit status after an error which nothing that this process does can mend; None where a retry may help."""
    by_person = isinstance(error, StreamRefused) or (isinstance(error, NethealError) and not gate.opened)
    if by_person and not isinstance(error, ServiceUnavailable):
        reporter.report("refused", str(error))
        emit("stream.refused", reason=str(error))
        return _REFUSED_STATUS
    if spark_ended():
        reason = f"Spark's JVM has ended, and the job with it: {cause_of(error)}. Start the job again."
        reporter.report("stopped", reason)
        emit("job.failed", reason=reason)
        return _FAILED_STATUS
    return None


def _report_retry(error: Exception, reporter: StateReporter, settings: Settings) -> None:
    full = DiskWatch(written_folders(settings)).full()
    if full is not None:  # it is behind whatever error came of it
        reporter.report("retrying", str(full))
    elif isinstance(error, BatchFailed):
        reporter.report("retrying", str(error), error.attempt.details())
    else:
        reporter.report("retrying", f"{cause_of(error).rstrip('.')}. The stream is restarted at least every 30 s.")


def main() -> int:
    """The entry point."""
    configure_logging()
    gate = ShutdownGate()
    gate.listen()
    try:
        settings = load_settings()
        configure_logging(log_format=settings.log.format)
        gate.stop_s = settings.stream.job_stop_s
        if not under_spark_submit():
            use_scratch_folder(settings.paths.scratch_dir, "job")
        return run(settings, gate)
    except ServiceUnavailable as error:
        emit("job.failed", reason=str(error))
        return _FAILED_STATUS
    except NethealError as error:
        emit("job.failed", reason=str(error))
        return _REFUSED_STATUS
    finally:
        end_jvm()
        gate.finish()


if __name__ == "__main__":
    sys.exit(main())
