"""A micro-batch through the tasks, with the models it is pinned to, and with others where one of them fails."""

from dataclasses import dataclass, field, replace

from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession

from jobs.stages.receipt import RECEIPT_SCHEMA, Receipt, read_receipt
from jobs.stages.score_task import OpenSinks, ScoreTask, SinkPlan, Sinks
from netheal.bundles.served import ServedBundle
from netheal.errors import ModelFailure
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import changes, fail
from netheal.registry.models import active_models, model_ids
from netheal.store.database import Connection
from netheal.store.ledger import BatchPins, Ledger
from netheal.telemetry import emit
from udfs.arrow import JudgePlan

_ROWS_WORTH_A_TASK = 5_000


@dataclass
class Scoring:
    """Scores one batch after another; keeps the bundles that are in use broadcast."""

    spark: SparkSession
    connection: Connection
    ledger: Ledger
    artefacts: Artefacts
    sink_plan: SinkPlan
    offset_base: int
    tasks: int
    open_sinks: OpenSinks = Sinks
    _bundles: dict[str, ServedBundle] = field(default_factory=dict)
    _broadcasts: dict[frozenset[str], "Broadcast[dict[str, ServedBundle]]"] = field(default_factory=dict)

    def score(self, records: DataFrame, batch_id: int, pins: BatchPins, policy: dict[str, object]) -> list[Receipt]:
        """Score and write in the tasks: all sinks but the Delta commit.

        A model that fails is deactivated, the one before it comes back, and the batch is scored again.
        """
        failed: set[str] = set()
        while True:
            try:
                return self._attempt(records, batch_id, pins, policy)
            except ModelFailure as failure:
                failed.add(failure.bundle_hash)
                pins = self._pin_others(batch_id, pins, failure, failed)

    def _attempt(self, records: DataFrame, batch_id: int, pins: BatchPins, policy: dict[str, object]) -> list[Receipt]:
        plan = JudgePlan(
            topic=pins.topic,
            offset_base=self.offset_base,
            batch_id=batch_id,
            models=pins.models,
            bundles=self._broadcast(pins.models),
            policy_version=pins.policy_version,
            policy=policy,
        )
        ids = model_ids(self.connection, list(pins.models.values()))
        task = ScoreTask(plan, replace(self.sink_plan, model_ids=ids), self.open_sinks)
        rows = records.coalesce(self.tasks_for(pins.rows)).mapInArrow(task, RECEIPT_SCHEMA).collect()
        receipts = [read_receipt(bytes(row.receipt)) for row in rows]
        for receipt in receipts:
            if receipt.failure is not None:
                raise ModelFailure(*receipt.failure)
        return receipts

    def tasks_for(self, rows: int) -> int:
        """As many tasks as are worth their cost: each writes a part, a transaction and a receipt of its own."""
        return max(1, min(self.tasks, rows // _ROWS_WORTH_A_TASK))

    def _pin_others(self, batch_id: int, pins: BatchPins, failure: ModelFailure, failed: set[str]) -> BatchPins:
        """Bind the batch to what is active now in the place of the model that failed."""
        kept = {contract: key for contract, key in pins.models.items() if key != failure.bundle_hash}
        with changes(self.connection) as cursor:
            fail(cursor, failure.bundle_hash, failure.message)
            others = {m.contract_id: m.bundle_hash for m in active_models(cursor) if m.bundle_hash not in failed}
            pinned = replace(pins, models=others | kept)
            self.ledger.pin_again(cursor, batch_id, pinned, self.offset_base)
        emit("model.failed", batch_id=batch_id, hash=failure.bundle_hash, reason=failure.message, models=pinned.models)
        return pinned

    def _broadcast(self, models: dict[str, str]) -> "Broadcast[dict[str, ServedBundle]]":
        wanted = frozenset(models.values())
        if wanted not in self._broadcasts:
            for bundle_hash in wanted - set(self._bundles):
                self._bundles[bundle_hash] = self.artefacts.load(bundle_hash)
            for old in self._broadcasts.values():
                old.unpersist()
            bundles = {key: self._bundles[key] for key in wanted}
            self._broadcasts = {wanted: self.spark.sparkContext.broadcast(bundles)}
            self._bundles = bundles
        return self._broadcasts[wanted]
