"""The ways out that the refusals name. All of them run under the topic's fence, and may be run again after a crash."""

from dataclasses import dataclass
from datetime import UTC, datetime

from netheal.errors import StreamRefused
from netheal.kafka.offsets import OffsetRanges, Offsets
from netheal.recovery.checkpoint import CheckpointFiles, checkpoint_files
from netheal.recovery.resume import ResumeState, database_behind, in_words, lost_ranges, resume_point
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.delta import DeltaLog, application_id
from netheal.store.ledger import BatchPins, Ledger, LedgerEnd, begin_query, has_rejected_rows, read_ledger_end
from netheal.store.outages import add_outage
from netheal.store.topics import TopicGeneration
from netheal.verdicts.counts import count_rows

OUTAGE_SUBJECT = "retention"


@dataclass(frozen=True)
class Stores:
    """What a repair works on: the ledger's connection, the topic, and the logs of verdicts and quarantine."""

    connection: Connection
    topic: TopicGeneration
    logs: tuple[DeltaLog, DeltaLog]

    def ledger_end(self) -> LedgerEnd:
        """Where the ledger ends now."""
        return read_ledger_end(self.connection, self.topic.name, self.topic.id)


def rebuild_checkpoint(files: CheckpointFiles, topic: str, end: LedgerEnd) -> str | None:
    """Make the checkpoint anew where the ledger ends; where the old one is now, None where there was none."""
    aside = f".replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    point = resume_point(end)
    return files.replace({} if point is None else checkpoint_files(topic, point), aside)


def adopt_gap(stores: Stores, found: ResumeState) -> OffsetRanges:
    """Record the offsets that retention removed, and go on behind them; the ranges, none where nothing is lost.

    A batch that was open is closed where Delta has all its rows. Else it is given up, and what Delta has of it taken
    out: what the broker still has of it is read again under another batch.
    Raises StreamRefused where the database is older than Delta.
    """
    reason = database_behind(found)
    if reason is not None:
        raise StreamRefused(reason)
    end = found.ledger
    if not lost_ranges(end, found.broker):
        return {}
    if end.open is not None and found.delta_batch >= end.last_batch:
        if _is_whole(stores, end, end.open):
            _close_from_delta(stores, end, end.open)
            end = stores.ledger_end()
        else:
            for log in stores.logs:
                log.delete_rows_from(end.position, stores.topic.offset_base)
    lost = lost_ranges(end, found.broker)
    if lost:
        with transaction(stores.connection) as cursor:
            _begin_behind(cursor, stores.topic, end, found.broker)
            _record(cursor, stores.topic, end, lost, f"retention removed {in_words(lost)} before they were read")
    return lost


def score_again(stores: Stores, found: ResumeState) -> Offsets:
    """Take out of Delta what the database does not know, to be read again; where that begins.

    Rows that the broker no longer has stay in Delta and are recorded as lost to the database.
    Raises StreamRefused where the database knows nothing of the topic.
    """
    end = found.ledger
    if end.query_id is None:
        raise StreamRefused(database_behind(found) or "the database knows no batch of this topic: start the job")
    start_at = _start_behind(end, found.broker)
    for log in stores.logs:
        log.delete_rows_from(start_at, stores.topic.offset_base)
    lost = lost_ranges(end, found.broker)
    with transaction(stores.connection) as cursor:
        _begin_behind(cursor, stores.topic, end, found.broker)
        if lost:
            what = f"an older database does not know {in_words(lost)}, and the topic no longer has them"
            _record(cursor, stores.topic, end, lost, what)
    return start_at


def _start_behind(end: LedgerEnd, broker: OffsetRanges) -> Offsets:
    return end.position | {p: max(end.position.get(p, 0), r.start) for p, r in broker.items()}


def _begin_behind(cursor: Cursor, topic: TopicGeneration, end: LedgerEnd, broker: OffsetRanges) -> None:
    begin_query(cursor, topic.name, topic.id, end, _start_behind(end, broker), topic.offset_base)


def _is_whole(stores: Stores, end: LedgerEnd, pins: BatchPins) -> bool:
    """Whether Delta has all of a batch of which it has something.

    The quarantine is committed last, and not at all for a batch without a rejected row.
    """
    _, quarantine = stores.logs
    version = quarantine.committed(application_id(str(end.query_id)))
    if version is not None and version >= end.last_batch:
        return True
    return not has_rejected_rows(stores.connection, end.last_batch, pins, stores.topic.offset_base)


def _close_from_delta(stores: Stores, end: LedgerEnd, pins: BatchPins) -> None:
    """Do what the batch itself does last: its rows are in every sink, and are to be counted."""
    start, stop = pins.start_offsets, pins.end_offsets
    verdicts, rejected = (log.rows_between(start, stop, stores.topic.offset_base) for log in stores.logs)
    ledger = Ledger(stores.connection, str(end.query_id))
    ledger.close_batch(end.last_batch, verdicts.num_rows, rejected.num_rows, count_rows(verdicts, rejected))


def _record(cursor: Cursor, topic: TopicGeneration, end: LedgerEnd, lost: OffsetRanges, reason: str) -> None:
    """An outage from when the stream was last known to be well until now."""
    cursor.execute("select coalesce(max(closed_at), now()) from batches where query_id = %s", (end.query_id,))
    (since,) = cursor.fetchone() or (datetime.now(UTC),)
    ranges = [{"partition": int(p), "start": r.start, "end": r.end} for p, r in lost.items()]
    details = {"topic": topic.name, "offsets": ranges, "rows": sum(r.end - r.start for r in lost.values())}
    add_outage(cursor, OUTAGE_SUBJECT, reason, since, datetime.now(UTC), details)
