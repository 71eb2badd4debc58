"""A micro-batch through the tasks, with the models it is pinned to, and with others where one of them fails."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark import Broadcast
from pyspark.sql import SparkSession

from jobs.stages.partition_ranges import Share, shares
from jobs.stages.range_reader import RangeReader
from jobs.stages.receipt import TaskReceipt, read_receipt
from jobs.stages.score_task import OpenSinks, ScoreTask, SinkPlan, Sinks
from netheal.bundles.served import ServedBundle
from netheal.contracts.schema import verdict_schema_of
from netheal.errors import ModelFailure, ServiceUnavailable
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import changes, mark_failed
from netheal.registry.failover import score_with_failover
from netheal.registry.models import active_models, model_ids
from netheal.sinks.delta_part import remove_uncommitted
from netheal.store.database import Connection
from netheal.store.delta import DeltaLog
from netheal.store.ledger import BatchPins, Ledger, LedgerEntry
from netheal.telemetry import emit
from udfs.scoring_plan import ScoringPlan


def run_tasks(spark: SparkSession, given: Sequence[Share], task: Callable[[Iterable[Share]], Any]) -> list[bytes]:
    """A task a share, which yields one value of bytes: these, in the order of the shares.

    They come through Py4J: for each `collect` of Python, Spark's JVM opens a Unix socket and remembers its name until
    it ends (`File.deleteOnExit`), which would be up to 100 MB a day.
    """
    if not given:
        return []
    rdd: Any = spark.sparkContext.parallelize(given, len(given)).mapPartitions(task)
    rdd._bypass_serializer = True  # bytes are given as they are
    return [bytes(value) for value in rdd._jrdd.collect()]


@dataclass
class Scoring:
    """Scores one batch after another; keeps the bundles that are in use broadcast.

    A batch is split into `tasks` tasks at most, and into no more than have `rows_per_task` rows each.
    """

    spark: SparkSession
    connection: Connection
    ledger: Ledger
    artefacts: Artefacts
    sink_plan: SinkPlan
    logs: Sequence[DeltaLog]
    offset_base: int
    tasks: int
    open_sinks: OpenSinks = Sinks
    rows_per_task: int = 5_000
    _bundles: dict[str, ServedBundle] = field(default_factory=dict)
    _broadcasts: dict[frozenset[str], "Broadcast[dict[str, ServedBundle]]"] = field(default_factory=dict)

    @property
    def bundles(self) -> Mapping[str, ServedBundle]:
        """By hash, those that the last batch was scored with."""
        return self._bundles

    def score(self, batch_id: int, entry: LedgerEntry, policy: dict[str, Any]) -> list[TaskReceipt]:
        """Score and write in the tasks: all sinks but the Delta commit.

        A model that fails is deactivated, the one before it comes back, and the batch is scored again.
        """
        if not entry.new:
            self.remove_leftovers(batch_id)
        pins = entry.pins

        def attempt(_: Set[str]) -> list[TaskReceipt]:
            return self._attempt(batch_id, replace(entry, pins=pins), policy)

        def fail_over(failure: ModelFailure, failed: Set[str]) -> None:
            nonlocal pins
            self.remove_leftovers(batch_id)  # of the tasks that did not meet the failure
            pins = self._pin_others(batch_id, pins, failure, failed)

        return score_with_failover(attempt, fail_over)

    def _attempt(self, batch_id: int, entry: LedgerEntry, policy: dict[str, Any]) -> list[TaskReceipt]:
        pins = entry.pins
        plan = ScoringPlan(
            topic=pins.topic,
            offset_base=self.offset_base,
            batch_id=batch_id,
            models=pins.models,
            bundles=self._broadcast(pins.models),
            policy_version=pins.policy_version,
            policy=policy,
            read_at=entry.opened_at,
        )
        ids = model_ids(self.connection, list(pins.models.values()))
        sinks = self.sink_plan
        reader = RangeReader(pins.topic, pins.topic_id, sinks.bootstrap_servers, sinks.kafka_options)
        task = ScoreTask(plan, replace(sinks, model_ids=ids, models=pins.models), reader, self.open_sinks)
        ranges = shares(pins, self.tasks_for(pins.rows))
        receipts = [read_receipt(encoded) for encoded in run_tasks(self.spark, ranges, task)]
        for receipt in receipts:
            if receipt.failure is not None:
                raise ModelFailure(*receipt.failure)
        return receipts

    def remove_leftovers(self, batch_id: int) -> None:
        """Remove the Delta parts that an attempt wrote which came to nothing: they would fill the disk."""
        for log in self.logs:
            try:
                parts = remove_uncommitted(log, self.sink_plan.query_id, batch_id)
            except (ServiceUnavailable, OSError) as error:
                emit("parts.not_removed", batch_id=batch_id, table=log.uri, error=str(error))
            else:
                if parts:
                    emit("parts.removed", batch_id=batch_id, table=log.uri, parts=parts)

    def tasks_for(self, rows: int) -> int:
        """As many tasks as are worth their cost: each writes a part, a transaction and a receipt of its own."""
        return max(1, min(self.tasks, rows // self.rows_per_task))

    def _pin_others(self, batch_id: int, pins: BatchPins, failure: ModelFailure, failed: Set[str]) -> BatchPins:
        """Bind the batch to what is active now in the place of the model that failed."""
        kept = {contract: key for contract, key in pins.models.items() if key != failure.bundle_hash}
        with changes(self.connection) as cursor:
            mark_failed(cursor, failure.bundle_hash, failure.message)
            others = {m.contract_id: m.bundle_hash for m in active_models(cursor, without=failed)}
            pinned = replace(pins, models=others | kept)
            self.ledger.repin(cursor, batch_id, pinned, self.offset_base)
        emit("model.failed", batch_id=batch_id, hash=failure.bundle_hash, reason=failure.message, models=pinned.models)
        return pinned

    def _broadcast(self, models: dict[str, str]) -> "Broadcast[dict[str, ServedBundle]]":
        wanted = frozenset(models.values())
        if wanted not in self._broadcasts:
            for bundle_hash in wanted - set(self._bundles):
                self._bundles[bundle_hash] = self.artefacts.load(bundle_hash)
            verdicts, _ = self.logs
            verdicts.add_columns(verdict_schema_of(self._bundles[key].contract for key in wanted))
            for old in self._broadcasts.values():
                old.unpersist()
            bundles = {key: self._bundles[key] for key in wanted}
            self._broadcasts = {wanted: self.spark.sparkContext.broadcast(bundles)}
            self._bundles = bundles
        return self._broadcasts[wanted]
