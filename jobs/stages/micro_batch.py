"""One micro-batch, from pin to commit, in the order that makes a replay harmless."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession

from jobs.stages.receipt import RECEIPT_SCHEMA, Receipt, read_receipt
from jobs.stages.score_task import OpenSinks, ScoreTask, SinkPlan, Sinks
from jobs.stages.source import CheckpointOffsets
from netheal.bundles.served import ServedBundle
from netheal.healing.policy import parse_policy, read_document
from netheal.registry.artefacts import Artefacts
from netheal.registry.models import active_models
from netheal.store.database import Connection
from netheal.store.delta import DeltaLog
from netheal.store.ledger import BatchPins, Ledger, read_policy_document
from netheal.telemetry import emit
from netheal.verdicts.counts import MinuteCounts
from udfs.arrow import JudgePlan

_ROWS_WORTH_A_TASK = 5_000
_STEPS = ("pin", "score", "commit", "close")


@dataclass
class MicroBatch:
    """The `foreachBatch` of the job; everything it needs is given."""

    spark: SparkSession
    connection: Connection
    ledger: Ledger
    offsets: CheckpointOffsets
    artefacts: Artefacts
    verdicts: DeltaLog
    quarantine: DeltaLog
    sink_plan: SinkPlan
    policy_path: Path
    topic: str
    topic_id: str
    offset_base: int
    app_id: str
    tasks: int
    open_sinks: OpenSinks = Sinks
    _bundles: dict[str, ServedBundle] = field(default_factory=dict)
    _broadcasts: dict[frozenset[str], "Broadcast[dict[str, ServedBundle]]"] = field(default_factory=dict)

    def __call__(self, records: DataFrame, batch_id: int) -> None:
        """Pin, score and write, commit, count. Any exception leaves the batch to be replayed."""
        times = [time.monotonic()]
        pinned = self.pin(batch_id)
        if pinned is None:
            emit("batch.skipped", batch_id=batch_id)
            return
        plan, rows = pinned
        times.append(time.monotonic())
        receipts = self.score(records, plan, self.tasks_for(rows))
        times.append(time.monotonic())
        self.commit(receipts, batch_id)
        times.append(time.monotonic())
        self.close(receipts, batch_id)
        times.append(time.monotonic())
        emit(
            "batch.committed",
            batch_id=batch_id,
            verdicts=sum(r.verdicts for r in receipts),
            rejected=sum(r.rejected for r in receipts),
            seconds={step: round(b - a, 3) for step, a, b in zip(_STEPS, times, times[1:], strict=False)},
        )

    def pin(self, batch_id: int) -> tuple[JudgePlan, int] | None:
        """Bind the batch to offsets, models and policy, those of its first attempt if there was one.

        Gives the plan and the number of offsets in the batch; None if the batch is done.
        """
        active = {model.contract_id: model.bundle_hash for model in active_models(self.connection)}
        document = read_document(self.policy_path)
        pins = BatchPins(
            topic=self.topic,
            topic_id=self.topic_id,
            start_offsets=self.offsets.start_of(batch_id),
            end_offsets=self.offsets.end_of(batch_id),
            models=active,
            policy_version=parse_policy(document).version,
        )
        entry = self.ledger.open_batch(batch_id, pins, document)
        if entry.state == "done":
            return None
        if not entry.new:
            emit("batch.replayed", batch_id=batch_id, models=entry.pins.models)
            document = read_policy_document(self.connection, entry.pins.policy_version)
        plan = JudgePlan(
            topic=self.topic,
            offset_base=self.offset_base,
            batch_id=batch_id,
            models=entry.pins.models,
            bundles=self._broadcast(entry.pins.models),
            policy_version=entry.pins.policy_version,
            policy=document,
        )
        return plan, entry.pins.rows

    def tasks_for(self, rows: int) -> int:
        """As many tasks as are worth their cost: each writes a part, a transaction and a receipt of its own."""
        return max(1, min(self.tasks, rows // _ROWS_WORTH_A_TASK))

    def score(self, records: DataFrame, plan: JudgePlan, tasks: int) -> list[Receipt]:
        """Score and write in the tasks: all sinks but the Delta commit."""
        task = ScoreTask(plan, self.sink_plan, self.open_sinks)
        rows = records.coalesce(tasks).mapInArrow(task, RECEIPT_SCHEMA).collect()
        return [read_receipt(bytes(row.receipt)) for row in rows]

    def commit(self, receipts: list[Receipt], batch_id: int) -> None:
        """Make the parts visible, once a batch."""
        self.verdicts.commit([p for r in receipts for p in r.verdict_parts], self.app_id, batch_id)
        self.quarantine.commit([p for r in receipts for p in r.quarantine_parts], self.app_id, batch_id)

    def close(self, receipts: list[Receipt], batch_id: int) -> None:
        """Add the counts and mark the batch done, in one transaction."""
        counts: MinuteCounts = Counter()
        for receipt in receipts:
            counts.update({(minute, kind, name): n for minute, kind, name, n in receipt.counts})
        verdicts, rejected = sum(r.verdicts for r in receipts), sum(r.rejected for r in receipts)
        self.ledger.close_batch(batch_id, verdicts, rejected, counts)

    def _broadcast(self, models: dict[str, str]) -> "Broadcast[dict[str, ServedBundle]]":
        wanted = frozenset(models.values())
        if wanted not in self._broadcasts:
            for bundle_hash in wanted - set(self._bundles):
                bundle = self._bundles[bundle_hash] = self.artefacts.get(bundle_hash)
                emit("model.loaded", version=bundle.manifest.version, hash=bundle_hash)
            for old in self._broadcasts.values():
                old.unpersist()
            bundles = {key: self._bundles[key] for key in wanted}
            self._broadcasts = {wanted: self.spark.sparkContext.broadcast(bundles)}
        return self._broadcasts[wanted]
