"""The streaming job: flow records from Kafka to verdicts in Delta, Postgres and the output topic.

Runs by `python -m jobs.score_stream` on one machine and by spark-submit on a cluster; stops cleanly on SIGTERM.
"""

import sys

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from jobs.stages.opening import open_stream
from jobs.stages.retry import Backoff
from jobs.stages.score_task import OpenSinks, Sinks
from jobs.stages.session import spark_session, under_spark_submit
from jobs.stages.source import read_topic
from jobs.stages.state_reporter import StateReporter
from jobs.stages.stopping import StopGate
from netheal.errors import NethealError, ServiceUnavailable, StreamRefused
from netheal.scratch import use_scratch_folder
from netheal.settings import Settings, load_settings
from netheal.telemetry import configure_logging, emit

_LOOK_S = 1


def stream_until_stopped(
    settings: Settings, gate: StopGate, reporter: StateReporter, open_sinks: OpenSinks = Sinks
) -> None:
    """Run the query until the gate closes; raises what ended it otherwise."""
    spark = spark_session(settings)
    gate.failure = None
    if under_spark_submit():
        gate.listen_to_jvm(spark)
    with open_stream(spark, settings, open_sinks) as stream:
        query = (
            read_topic(spark, settings, settings.kafka_bootstrap_servers)
            .writeStream.foreachBatch(gate.guard(stream.batch))
            .option("checkpointLocation", stream.checkpoint)
            .start()
        )
        reporter.report("running")
        try:
            while not gate.requested.is_set() and query.isActive:
                query.awaitTermination(_LOOK_S)
        except PySparkException as error:
            raise gate.failure or error from error
        finally:
            gate.close(query) if gate.requested.is_set() else query.stop()


def run(settings: Settings, gate: StopGate, open_sinks: OpenSinks = Sinks) -> int:
    """Stream, and begin again after what may pass; the exit status."""
    backoff = Backoff()
    with StateReporter(settings.postgres_dsn.get_secret_value(), settings.input_topic) as reporter:
        while not gate.requested.is_set():
            try:
                stream_until_stopped(settings, gate, reporter, open_sinks)
            except StreamRefused as refused:
                reporter.report("refused", str(refused))
                emit("stream.refused", reason=str(refused))
                return 2
            except (ServiceUnavailable, PySparkException, Py4JJavaError) as error:
                reporter.report("retrying", str(error)[:500])
                if not backoff.wait(error, gate.requested):
                    emit("job.failed", reason=str(error))
                    return 1
        reporter.report("stopped")
    emit("job.stopped")
    return 0


def main() -> int:
    """The entry point."""
    configure_logging()
    gate = StopGate()
    gate.listen()
    try:
        settings = load_settings()
        if not under_spark_submit():
            use_scratch_folder(settings.scratch_dir, "job")
        return run(settings, gate)
    except NethealError as error:
        emit("job.failed", reason=str(error))
        return 2
    finally:
        gate.finish()


if __name__ == "__main__":
    sys.exit(main())
