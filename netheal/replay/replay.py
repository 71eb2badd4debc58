"""Rejected rows once more, through today's contracts and models: each is accepted at most once, whatever is killed.

A replayed row keeps its event id: accepted, it stands in Delta `verdicts`, too, and what became of it is in `replayed`.
Only rows of finished batches and files are taken. One replay runs at a time (an advisory lock). A batch of it:

1. Pin: one Postgres transaction opens a row of `replay_batches` with the active models and the policy, and marks each
   event `open` in `replayed`, whose key is the event id. An event that was accepted before is never taken.
2. Look: rows of these events that stand in Delta `verdicts` already are accepted; they are not scored again.
3. Score the others. Where a model fails it is deactivated, the one before it is pinned, and this step begins again.
4. Write: the accepted rows as a Delta part, which nobody sees yet; a message each to the output topic (rows of the
   stream only), acknowledged.
5. Commit the part to Delta under (`netheal-replay`, the batch's id), once. Where somebody else has committed this
   batch, theirs stands, and what Delta does not have is let go.
6. Close: one Postgres transaction stores the serving rows, adds the counts, marks each event `accepted` or `rejected`,
   and the batch `done`.

A replay that was cut off leaves its batch open at any of these. The next one, before anything else, goes on with it
at 2, with what was pinned; it finds what was committed, and closes it. A row that is rejected again stays in
quarantine as it is. Two processes that believe to hold the lock (a connection that was cut) work on the same open
batch, of which Delta takes one commit, and Postgres one close.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts.event_id import UPLOAD_PARTITION, Ids, offset_of
from netheal.contracts.schema import TIMESTAMP
from netheal.errors import ModelFailure
from netheal.healing.policy import parse_policy, read_document
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import changes, mark_failed
from netheal.registry.failover import score_with_failover
from netheal.registry.models import active_models, model_ids
from netheal.replay.quarantine_rows import QuarantineScorer, selected_rows
from netheal.replay.report import ReplayReport
from netheal.replay.selection import Selection
from netheal.scoring.loaded import LoadedModels
from netheal.sinks.delta_part import DeltaPartWriter, remove_uncommitted
from netheal.store.archive import Archive
from netheal.store.counts import Counts
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog, Part, quarantine_layout, verdicts_layout
from netheal.store.ledger import read_policy_document
from netheal.store.open_parts import REPLAYS
from netheal.store.partitions import serving_since
from netheal.store.replays import (
    FinishedRows,
    ReplayOutcome,
    ReplayPins,
    acquire_replay_lock,
    close_replay,
    earlier_replays,
    finished_rows,
    open_replay_batch,
    pin_replay,
    repin_replay,
)
from netheal.store.serving_rows import ServingRows, joined_rows, serving_rows
from netheal.telemetry import emit
from netheal.verdicts.counts import count_rows
from netheal.verdicts.scorer import ScoredBatch

APP = "netheal-replay"
BATCH_ROWS = 10_000

Send = Callable[[pa.Table], object]
"""Produces a message a verdict, and returns when all are acknowledged; raises ServiceUnavailable."""


@dataclass(frozen=True)
class ReplayOptions:
    """Of the selected rows at most `limit` are scored. Without `again`, none that the same models have rejected."""

    selection: Selection = field(default_factory=Selection)
    limit: int | None = None
    again: bool = False


@dataclass
class Replay:
    """One run; `connection` is its own, as the lock lives on it."""

    connection: Connection
    artefacts: Artefacts
    delta_root: str
    policy_path: Path
    serving_days: int
    send: Send
    run_id: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(3)}")

    def __post_init__(self) -> None:
        """Nothing is opened for writing yet: a dry run never does."""
        self._verdicts = Archive(verdicts_layout(), self.delta_root)
        self._quarantine = Archive(quarantine_layout(), self.delta_root)
        self._scorer = QuarantineScorer(self.artefacts.load, LoadedModels())

    def run(self, options: ReplayOptions) -> ReplayReport:
        """Replay what is selected; raises Conflict where another replay runs, ServiceUnavailable."""
        acquire_replay_lock(self.connection)
        report = ReplayReport(self.run_id)
        log = DeltaLog(verdicts_layout(), self.delta_root)
        left = open_replay_batch(self.connection)
        if left is not None:
            rows = self._quarantine.of_events(_ids(left), _days(left))
            report.resumed = len(left.events)
            emit("replay.resumed", batch_id=left.id, rows=len(left.events))
            self._finish(log, left, rows, ReplayReport(left.run_id))
        for rows in self._chosen(options, report):
            self._finish(log, self._pin(log, rows), rows, report)
        return report

    def try_out(self, options: ReplayOptions) -> ReplayReport:
        """What `run` would do with what is active now; changes nothing. Raises ModelFailure where a model fails."""
        report = ReplayReport(self.run_id, dry_run=True)
        policy = parse_policy(read_document(self.policy_path))
        for rows in self._chosen(options, report):
            scored = self._scorer.score(rows, self._active(), policy)
            report.add(rows, [scored.verdicts], scored.rejected)
        return report

    def _chosen(self, options: ReplayOptions, report: ReplayReport) -> Iterator[pa.Table]:
        """The selected rows that are to be scored, up to the limit."""
        left = options.limit
        finished = finished_rows(self.connection)
        for rows in selected_rows(self.delta_root, options.selection, BATCH_ROWS):
            chosen = self._untried(rows, finished, options.again, report)
            if left is not None:
                chosen = chosen.slice(0, left)
                left -= chosen.num_rows
            if chosen.num_rows:
                yield chosen
            if left == 0:
                return

    def _untried(self, rows: pa.Table, finished: FinishedRows, again: bool, report: ReplayReport) -> pa.Table:
        ids = rows["event_id"].to_pylist()
        before, active = earlier_replays(self.connection, ids), self._active()
        places = zip(ids, *(rows[name].to_pylist() for name in ("topic", "partition", "batch_id")), strict=True)
        keep = []
        for event, topic, partition, batch_id in places:
            tried = before.get(event)
            skip = None
            if not finished.holds(topic, partition, offset_of(event), batch_id):
                skip = "batch_not_finished"
            elif tried is not None and tried.result != "rejected":
                skip = "accepted_before"
            elif tried is not None and tried.models == active and not again:
                skip = "rejected_by_same_models"
            if skip is not None:
                report.skipped[skip] += 1
            keep.append(skip is None)
        return rows.filter(pa.array(keep, pa.bool_()))

    def _active(self) -> dict[str, str]:
        """Contract id -> bundle hash."""
        with transaction(self.connection) as cursor:
            return {model.contract_id: model.bundle_hash for model in active_models(cursor)}

    def _pin(self, log: DeltaLog, rows: pa.Table) -> ReplayPins:
        """Step 1. The id is above those of Delta, too, which may know more than a database that was restored."""
        document = read_document(self.policy_path)
        events = dict(zip(rows["event_id"].to_pylist(), rows["recorded_at"].to_pylist(), strict=True))
        version = parse_policy(document).version
        wanted = ReplayPins(log.committed(APP) or 0, self.run_id, self._active(), version, events)
        return pin_replay(self.connection, wanted, document)

    def _finish(self, log: DeltaLog, pins: ReplayPins, rows: pa.Table, report: ReplayReport) -> None:
        """Steps 2 to 6."""
        found = self._verdicts.of_events(_ids(pins), _days(pins))
        rest = rows.filter(pc.invert(pc.is_in(rows["event_id"], value_set=found["event_id"].combine_chunks())))
        pins, scored = self._score(pins, rest)
        accepted = [found, scored.verdicts]
        if scored.verdicts.num_rows and not self._write(log, pins, scored.verdicts):
            accepted = [self._verdicts.of_events(_ids(pins), _days(pins))]
        close_replay(self.connection, pins, self._outcome(rows, accepted, scored.rejected))
        # Not before: now nobody commits parts of this batch any more.
        remove_uncommitted(log, REPLAYS, pins.id)
        report.add(rows, accepted, scored.rejected)
        emit("replay.batch_done", batch_id=pins.id, rows=len(pins.events), rejected=scored.rejected.num_rows)

    def _score(self, pins: ReplayPins, rows: pa.Table) -> tuple[ReplayPins, ScoredBatch]:
        """Step 3; the pins that hold in the end."""
        policy = parse_policy(read_policy_document(self.connection, pins.policy_version))

        def fail_over(failure: ModelFailure, failed: Set[str]) -> None:
            nonlocal pins
            kept = {contract: key for contract, key in pins.models.items() if key != failure.bundle_hash}
            with changes(self.connection) as cursor:
                mark_failed(cursor, failure.bundle_hash, failure.message)
                others = {m.contract_id: m.bundle_hash for m in active_models(cursor, without=failed)}
                pins = replace(pins, models=others | kept)
                repin_replay(cursor, pins)
            emit("model.failed", hash=failure.bundle_hash, reason=failure.message)

        scored = score_with_failover(lambda _: self._scorer.score(rows, pins.models, policy), fail_over)
        return pins, scored

    def _write(self, log: DeltaLog, pins: ReplayPins, verdicts: pa.Table) -> bool:
        """Steps 4 and 5; False where this batch was committed by somebody else."""
        log.add_columns(verdicts.schema)
        parts = self._write_part(pins, verdicts)
        of_stream = verdicts.filter(pc.not_equal(verdicts["partition"], UPLOAD_PARTITION))
        if of_stream.num_rows:
            self.send(of_stream)
        return log.commit(parts, APP, pins.id)

    def _write_part(self, pins: ReplayPins, verdicts: pa.Table) -> list[Part]:
        writer = DeltaPartWriter(verdicts_layout(), self.delta_root, pins.id, REPLAYS)
        try:
            writer.write(verdicts)
            return writer.receipt()
        except BaseException:
            writer.discard()
            raise

    def _outcome(self, rows: pa.Table, accepted: Sequence[pa.Table], rejected: pa.Table) -> ReplayOutcome:
        ids = [event for table in accepted for event in table["event_id"].to_pylist()]
        counts, upload_counts = Counter[tuple[int, str, str]](), Counter[tuple[int, str, str]]()
        nothing = rejected.slice(0, 0)
        for table in accepted:
            uploaded = pc.equal(table["partition"], UPLOAD_PARTITION)
            counts.update(count_rows(table.filter(pc.invert(uploaded)), nothing))
            upload_counts.update(count_rows(table.filter(uploaded), nothing))
        upload_counts.update(_replayed_counts(rows, ids))
        texts = (rejected[name].to_pylist() for name in ("event_id", "reason", "detail"))
        again = [(event, reason, detail.replace("\0", "\ufffd")) for event, reason, detail in zip(*texts, strict=True)]
        return ReplayOutcome(ids, again, self._serving_rows(accepted), counts, upload_counts)

    def _serving_rows(self, accepted: Sequence[pa.Table]) -> ServingRows:
        """Those of the hot window: others would be deleted again at once."""
        since = pa.scalar(serving_since(self.serving_days), TIMESTAMP)
        parts = []
        for table in accepted:
            recent = _with_dictionaries(table.filter(pc.greater_equal(table["recorded_at"], since)))
            hashes = {key for name in _HASHES for key in recent[name].unique().to_pylist() if key is not None}
            ids = model_ids(self.connection, sorted(hashes))
            parts.append({"verdicts": serving_rows(recent, _NO_REJECTED, ids)["verdicts"]})
        return joined_rows(parts)


_HASHES = ("threat_model_hash", "attack_model_hash")
_NO_REJECTED = quarantine_layout().schema.empty_table()


def _with_dictionaries(table: pa.Table) -> pa.Table:
    """Rows out of Delta have plain strings, where scored ones have dictionaries."""
    for name in _HASHES:
        if not pa.types.is_dictionary(table[name].type):
            table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def _replayed_counts(rows: pa.Table, accepted: list[int]) -> Counts:
    """Kind `replayed`: accepted rows by the reason that they were rejected for before."""
    ours = rows.filter(pc.is_in(rows["event_id"], value_set=pa.array(accepted, pa.int64())))
    return {(0, "replayed", reason): n for reason, n in Counter(ours["reason"].to_pylist()).items()}


def _ids(pins: ReplayPins) -> Ids:
    return np.array(sorted(pins.events), np.int64)


def _days(pins: ReplayPins) -> set[date]:
    return {at.astimezone(UTC).date() for at in pins.events.values()}
