"""What the job makes sure of before its first micro-batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from jobs.stages.checkpoint_files import checkpoint_files
from jobs.stages.job_metrics import JobMetrics
from jobs.stages.maintenance import Maintenance
from jobs.stages.micro_batch import MicroBatch
from jobs.stages.resume_check import ResumeCheck
from jobs.stages.score_task import OpenSinks, SinkPlan, Sinks
from jobs.stages.scoring import Scoring
from jobs.stages.shared_store import require_shared_store
from jobs.stages.source import CheckpointOffsets
from jobs.stages.state_reporter import StateReporter
from netheal.drift.window import WindowRules
from netheal.healing.policy import read_policy
from netheal.kafka.topics import topic_id
from netheal.recovery.checkpoint import checkpoint_folder
from netheal.registry.artefacts import Artefacts
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.delta import DeltaLog, Layout, application_id, quarantine_layout, verdicts_layout
from netheal.store.ledger import Ledger, acquire_topic_lock
from netheal.store.topics import TopicGeneration, register_topic
from netheal.telemetry import emit


@dataclass(frozen=True)
class StreamParts:
    """What a stream is built from; tests of crashes put their own in the place of one."""

    open_sinks: OpenSinks = Sinks
    ledger: Callable[[Connection, str], Ledger] = Ledger
    delta_log: Callable[[Layout, str], DeltaLog] = DeltaLog
    scoring: Callable[..., Scoring] = Scoring


@dataclass
class Stream:
    """An opened stream: its checkpoint, and its `foreachBatch`, made at the first batch, when the query has an id."""

    spark: SparkSession
    settings: Settings
    connection: Connection
    topic: TopicGeneration
    checkpoint: str
    logs: tuple[DeltaLog, DeltaLog]
    resume_check: ResumeCheck
    parts: StreamParts
    reporter: StateReporter
    maintenance: Maintenance
    metrics: JobMetrics
    _batch: MicroBatch | None = None

    def batch(self, records: DataFrame, batch_id: int) -> None:
        """The `foreachBatch` of the query. Of `records` only the session is used: the tasks read Kafka themselves."""
        if self._batch is None:
            query_id = records.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
            self._batch = self._open_batch(str(query_id))
        self.maintenance.run_if_due(self.logs)
        self._batch(batch_id)

    def maintain_if_idle(self) -> None:
        """To be called while no batch runs: it uses the same connection."""
        self.maintenance.run_if_idle(self.logs)

    def uncount_attempt(self) -> None:
        """Let the batch that runs not count as failed where the job's stop cuts it, by whatever means.

        To be called once a stop is requested, as later nobody may be left to say so; on a connection of its own.
        """
        batch = self._batch
        if batch is None or batch.current is None:
            return
        connection = connect(self.settings.postgres.dsn.get_secret_value())
        try:
            Ledger(connection, batch.ledger.query_id).uncount_attempt(batch.current)
        finally:
            connection.close()

    def _open_batch(self, query_id: str) -> MicroBatch:
        settings = self.settings
        ledger = self.parts.ledger(self.connection, query_id)
        verdicts, quarantine = self.logs
        scoring = self.parts.scoring(
            spark=self.spark,
            connection=self.connection,
            ledger=ledger,
            artefacts=Artefacts(settings.paths.artefacts_dir),
            sink_plan=_sink_plan(settings, query_id),
            logs=self.logs,
            offset_base=self.topic.offset_base,
            tasks=settings.stream.scoring_tasks,
            open_sinks=self.parts.open_sinks,
        )
        return MicroBatch(
            connection=self.connection,
            ledger=ledger,
            offsets=CheckpointOffsets(self.resume_check.files, self.topic.name),
            scoring=scoring,
            verdicts=verdicts,
            quarantine=quarantine,
            policy_path=settings.paths.policy_path,
            reporter=self.reporter,
            topic=self.topic.name,
            topic_id=self.topic.id,
            app_id=application_id(query_id),
            drift_rules=WindowRules(settings.drift.window_rows, 60.0 * settings.drift.window_minutes),
            metrics=self.metrics,
        )


def _sink_plan(settings: Settings, query_id: str) -> SinkPlan:
    return SinkPlan(
        settings.paths.delta_root,
        settings.postgres.dsn.get_secret_value(),
        settings.kafka.bootstrap_servers,
        settings.kafka.task_options,
        settings.stream.output_topic,
        query_id,
    )


def _topic_id(settings: Settings) -> str:
    return topic_id(settings.kafka.bootstrap_servers, settings.stream.input_topic, settings.kafka.client_options)


@contextmanager
def open_stream(
    spark: SparkSession, settings: Settings, reporter: StateReporter, metrics: JobMetrics, parts: StreamParts
) -> Iterator[Stream]:
    """See that nobody else reads the topic, and that the checkpoint goes on where the ledger ends.

    Tables, models and topics are there: see `prepare_services`.

    Raises StreamRefused or SettingsError where a person must act, ServiceUnavailable where a service does not answer.
    """
    read_policy(settings.paths.policy_path)
    require_shared_store(spark, settings.paths.delta_root)
    dsn = settings.postgres.dsn.get_secret_value()
    connection = connect(dsn)
    try:
        topic = register_topic(connection, settings.stream.input_topic, _topic_id(settings))
        acquire_topic_lock(connection, topic.name, topic.id)
        root, open_log = settings.paths.delta_root, parts.delta_log
        logs = open_log(verdicts_layout(), root), open_log(quarantine_layout(), root)
        checkpoint = checkpoint_folder(settings.paths.checkpoint, topic.id)
        resume_check = ResumeCheck(settings, connection, topic, checkpoint_files(spark, checkpoint), logs)
        resume_check.ensure_resumable()
        maintenance = Maintenance(
            connection, settings.stream.input_topic, lambda: _topic_id(settings), settings.stream.serving_days
        )
        stream = Stream(
            spark, settings, connection, topic, checkpoint, logs, resume_check, parts, reporter, maintenance, metrics
        )
        emit("job.started", topic=topic.name, topic_id=topic.id, delta=settings.paths.delta_root)
        try:
            yield stream
        finally:
            maintenance.stop()
    finally:
        connection.close()
