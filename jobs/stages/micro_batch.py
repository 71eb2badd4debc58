"""One micro-batch, exactly once: the order of its steps makes a replay of any of them harmless.

1. Plan: Spark notes the batch's offsets in its checkpoint. Only one driver reads the topic: it holds the advisory lock.
2. Pin: one Postgres transaction inserts the ledger's row, state `open`, with offsets, active models and policy; or it
   finds the row, counts the attempt, and what the row says holds. Refused where the batch would not begin where the
   done ones end. A batch that is `done` ends here.
3. Clean up: where the row was there, Delta parts of earlier attempts that no version refers to are removed.
4. Score: Delta `verdicts` gets the columns that it lacks for the features of the pinned models. Each task reads its
   share from Kafka and decodes, checks, scores and decides it with what is pinned. Behind its last record it looks at
   the topic's id: a topic that was recreated fails it, and so do offsets that are gone. Where a model fails, its task
   returns the failure, and no row of it is stored; messages may have left. The driver removes the Delta parts of the
   other tasks, in one transaction deactivates the model, pins the one before it and takes back the Postgres rows of
   the other tasks, and begins this step again.
5. Write: each task makes durable, in this order, its Delta parts (closed and synced; nobody sees them yet), its
   Postgres rows (one transaction: COPY, or where a row is there already, insert on conflict do nothing), its output
   messages (sent since step 4, now flushed, acks=all). Then it returns a receipt: counts, and its parts with their
   statistics. A task that fails, or is lost with its executor, is run again by Spark, and does the same under the same
   keys. One that lives on all the same stores no row once the batch is closed or has other models (`BatchFence`).
6. Commit: one Delta commit a table, verdicts first, under (query, batch). Where an earlier attempt made it, this
   attempt's parts are removed, and where tasks were run again, those of their first runs. The log is synced.
7. Close: one Postgres transaction marks the row `done`, moves the end of the done offsets, and adds the counts, those
   of drift among them.
8. Go on: Spark notes in its checkpoint that the batch is finished, and plans the next one.

docs/architecture.md says what a crash after each of them leaves, and what the replay makes of it.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.stages.batch_attempt import TRIES_BEFORE_ALARM, Attempt, BatchFailed, cause_of
from jobs.stages.drift_report import report_drift
from jobs.stages.job_metrics import JobMetrics
from jobs.stages.receipt import TaskReceipt
from jobs.stages.scoring import Scoring
from jobs.stages.source import CheckpointOffsets
from jobs.stages.state_reporter import StateReporter
from jobs.stages.step_clock import StepClock
from netheal.drift.window import WindowRules
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.healing.policy import parse_policy, read_document
from netheal.registry.models import active_models
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog
from netheal.store.drift import BatchDrift, added
from netheal.store.ledger import BatchPins, Ledger, LedgerEntry, read_policy_document
from netheal.telemetry import emit
from netheal.verdicts.counts import MinuteCounts

_UNKNOWN_FAILURE = "the job ended in the middle of it without a word, as it does where memory runs out"
_INTERRUPTED = "java.lang.InterruptedException"
"""What Spark gives a batch whose query is being stopped: the batch is not at fault."""


@dataclass
class MicroBatch:
    """The `foreachBatch` of the job; everything it needs is given."""

    connection: Connection
    ledger: Ledger
    offsets: CheckpointOffsets
    scoring: Scoring
    verdicts: DeltaLog
    quarantine: DeltaLog
    policy_path: Path
    reporter: StateReporter
    topic: str
    topic_id: str
    app_id: str
    drift_rules: WindowRules
    metrics: JobMetrics
    current: int | None = None
    """The batch that was begun last."""

    def __call__(self, batch_id: int) -> None:
        """Steps 2 to 7. Any exception leaves the batch to be replayed.

        Raises BatchFailed for what fails after the pin.
        """
        self.current = batch_id
        clock = StepClock()
        try:
            self._attempt(batch_id, clock)
        except BaseException as error:  # a panic of a library written in Rust is no Exception
            if _INTERRUPTED not in cause_of(error):
                self.metrics.batch_failed(clock.current)
            raise

    def _attempt(self, batch_id: int, clock: StepClock) -> None:
        with clock.step("pin"):
            pinned = self.pin(batch_id)
        if pinned is None:
            self.metrics.batch_skipped()
            emit("batch.skipped", batch_id=batch_id)
            return
        entry, _ = pinned
        attempt = Attempt(batch_id, entry.attempts, entry.pins)
        self._report_earlier_failures(attempt, entry)
        try:
            self._run(attempt, pinned, clock)
        except StreamRefused:
            raise
        except BaseException as error:
            failure = cause_of(error)
            if _INTERRUPTED in failure:
                raise
            self._record_failure(batch_id, failure)
            raise BatchFailed(attempt, failure) from error

    def _run(self, attempt: Attempt, pinned: tuple[LedgerEntry, dict[str, Any]], clock: StepClock) -> None:
        batch_id = attempt.batch_id
        with clock.step("score"):
            receipts = self.scoring.score(batch_id, *pinned)
        with clock.step("commit"):
            self.commit(receipts, batch_id)
        with clock.step("close"):
            self.close(receipts, batch_id)
        self.metrics.batch_committed(receipts, clock.seconds)
        emit(
            "batch.committed",
            **attempt.details(),
            verdicts=sum(r.verdicts for r in receipts),
            rejected=sum(r.rejected for r in receipts),
            seconds={step: round(taken_s, 3) for step, taken_s in clock.seconds.items()},
        )

    def _report_earlier_failures(self, attempt: Attempt, entry: LedgerEntry) -> None:
        """Say at once what earlier processes could not bring to an end, in case this one cannot say it any more."""
        if attempt.number > TRIES_BEFORE_ALARM:
            failed = replace(attempt, number=attempt.number - 1)
            self.reporter.report("retrying", failed.describe(entry.failure or _UNKNOWN_FAILURE), failed.details())

    def _record_failure(self, batch_id: int, failure: str) -> None:
        try:
            self.ledger.record_failure(batch_id, failure)
        except ServiceUnavailable as error:
            emit("state.not_reported", reason=str(error))

    def pin(self, batch_id: int) -> tuple[LedgerEntry, dict[str, Any]] | None:
        """Step 2: bind the batch to offsets, models and policy, those of its first attempt if there was one.

        Gives the ledger's row and the policy document; None if the batch is done.
        """
        with transaction(self.connection) as cursor:
            active = active_models(cursor)
        self.metrics.models_pinned(active)
        document = read_document(self.policy_path)
        pins = BatchPins(
            topic=self.topic,
            topic_id=self.topic_id,
            start_offsets=self.offsets.start_of(batch_id),
            end_offsets=self.offsets.end_of(batch_id),
            models={model.contract_id: model.bundle_hash for model in active},
            policy_version=parse_policy(document).version,
        )
        entry = self.ledger.open_batch(batch_id, pins, document)
        if entry.state == "done":
            return None
        if not entry.new:
            self.metrics.batch_replayed()
            emit("batch.replayed", batch_id=batch_id, models=entry.pins.models)
            document = read_policy_document(self.connection, entry.pins.policy_version)
        return entry, document

    def commit(self, receipts: list[TaskReceipt], batch_id: int) -> None:
        """Step 6: make the parts visible, once a batch."""
        written = (
            (self.verdicts, [part for receipt in receipts for part in receipt.verdict_parts]),
            (self.quarantine, [part for receipt in receipts for part in receipt.quarantine_parts]),
        )
        committed = [log.commit(parts, self.app_id, batch_id) or not parts for log, parts in written]
        if not all(committed) or any(receipt.retried for receipt in receipts):
            # Those of an earlier attempt that had committed its own, or of tasks that were lost with their executor.
            # Not before all commits: what waits for one looks left over.
            self.scoring.remove_leftovers(batch_id)

    def close(self, receipts: list[TaskReceipt], batch_id: int) -> None:
        """Step 7: add the counts and mark the batch done, in one transaction."""
        counts: MinuteCounts = Counter()
        for receipt in receipts:
            counts.update({(minute, kind, name): n for minute, kind, name, n in receipt.counts})
        verdicts, rejected = sum(r.verdicts for r in receipts), sum(r.rejected for r in receipts)
        drift = BatchDrift(added(r.drift for r in receipts), self.scoring.bundles, self.drift_rules)
        for window in self.ledger.close_batch(batch_id, verdicts, rejected, counts, drift):
            report_drift(window)
