"""The one pass inside a Spark task: score each Arrow batch, hand it to the sinks, give back a receipt."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
from pyspark import TaskContext

from jobs.stages import worker_connections
from jobs.stages.partition_ranges import Share
from jobs.stages.range_reader import RangeReader
from jobs.stages.receipt import TaskReceipt
from netheal.errors import ModelFailure
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.sinks.output_topic import OutputTopicWriter
from netheal.sinks.postgres_rows import BatchFence, PostgresRowWriter
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.verdicts.counts import MinuteCounts, count_rows
from netheal.verdicts.drift import DriftCounter
from netheal.verdicts.latency import Times, count_latencies, record_times
from netheal.verdicts.scorer import ScoredBatch
from udfs.scoring_plan import ScoringPlan


@dataclass(frozen=True)
class SinkPlan:
    """Where the sinks are."""

    delta_root: str
    postgres_dsn: str
    bootstrap_servers: str
    kafka_options: dict[str, str]
    output_topic: str
    query_id: str
    """Of the streaming query: the parts of its batches are named after it."""
    model_ids: dict[str, int] = field(default_factory=dict)
    """Bundle hash -> registry id, of the models of the batch."""
    models: dict[str, str] = field(default_factory=dict)
    """Contract id -> bundle hash: the models that the batch is pinned to."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"SinkPlan({self.delta_root}, {self.bootstrap_servers}, {self.output_topic})"


class Sinks:
    """The sink writers of one task, in the order in which they are made durable."""

    def __init__(self, plan: SinkPlan, batch_id: int) -> None:
        self.verdict_parts = DeltaPartWriter(verdicts_layout(), plan.delta_root, batch_id, plan.query_id)
        self.quarantine_parts = DeltaPartWriter(quarantine_layout(), plan.delta_root, batch_id, plan.query_id)
        fence = BatchFence(plan.query_id, batch_id, plan.models)
        self.serving_rows = PostgresRowWriter(worker_connections.postgres(plan.postgres_dsn), plan.model_ids, fence)
        producer = worker_connections.producer(plan.bootstrap_servers, plan.kafka_options)
        self.messages = OutputTopicWriter(producer, plan.output_topic)

    def write(self, scored: ScoredBatch) -> None:
        """Hand one scored batch to every sink."""
        self.messages.write(scored.verdicts)
        self.verdict_parts.write(scored.verdicts)
        self.quarantine_parts.write(scored.rejected)
        self.serving_rows.write(scored.verdicts, scored.rejected)

    def receipt(self, verdicts: int, rejected: int, counts: MinuteCounts) -> TaskReceipt:
        """Make everything durable but the Delta parts, which the driver commits."""
        parts = self.verdict_parts.receipt(), self.quarantine_parts.receipt()
        self.serving_rows.receipt()
        sent = self.messages.receipt()
        told = [(*key, n) for key, n in counts.items()]
        return TaskReceipt(verdicts, rejected, sent, *parts, told, retried=_is_retry())

    def discard(self) -> None:
        """Remove the Delta parts, which nobody will commit."""
        self.verdict_parts.discard()
        self.quarantine_parts.discard()


def _is_retry() -> bool:
    """Whether Spark runs this task because it failed, or its executor was lost."""
    context = TaskContext.get()
    return context is not None and context.attemptNumber() > 0


OpenSinks = Callable[[SinkPlan, int], Sinks]


@dataclass(frozen=True)
class ScoreTask:
    """The function that Spark runs in each task; picklable, and the same for every task of a batch."""

    plan: ScoringPlan
    sink_plan: SinkPlan
    reader: RangeReader
    open_sinks: OpenSinks = Sinks

    def __call__(self, shares: Iterable[Share]) -> Iterator[bytes]:
        """The task's one share of the batch in, its receipt out."""
        (ranges,) = shares
        try:
            receipt = self._score_and_write(self.reader.read(ranges))
        except ModelFailure as failure:
            receipt = TaskReceipt(0, 0, 0, [], [], [], failure=(failure.message, failure.bundle_hash))
        yield receipt.encoded()

    def _score_and_write(self, batches: Iterator[pa.RecordBatch]) -> TaskReceipt:
        sinks = self.open_sinks(self.sink_plan, self.plan.batch_id)
        try:
            return self._write_all(batches, sinks)
        except BaseException:
            sinks.discard()
            raise

    def _write_all(self, batches: Iterator[pa.RecordBatch], sinks: Sinks) -> TaskReceipt:
        scorer = self.plan.scorer()
        counts: MinuteCounts = Counter()
        drift = DriftCounter(scorer.scorer.models)
        verdicts = rejected = 0
        recorded_at: list[Times] = []
        for batch in batches:
            try:
                scored = scorer.score(batch, self.plan.batch_id)
            except ModelFailure:
                # What is in the producer's queue must not come after the messages of the next attempt.
                sinks.messages.receipt()
                raise
            sinks.write(scored)
            counts.update(count_rows(scored.verdicts, scored.rejected))
            drift.add(scored)
            verdicts += scored.verdicts.num_rows
            rejected += scored.rejected.num_rows
            recorded_at.append(record_times(scored.verdicts))
        receipt = sinks.receipt(verdicts, rejected, counts)
        latencies = count_latencies(recorded_at, datetime.now(UTC))
        return msgspec.structs.replace(receipt, latencies=latencies, drift=drift.by_bundle())
