"""The ledger: what each micro-batch read and used, so that a replay does the same and nothing counts twice."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg2.extras import Json

from netheal.contracts.event_id import PARTITIONS_PER_TOPIC, event_id
from netheal.errors import StreamRefused
from netheal.kafka.offsets import Offsets
from netheal.store.advisory_lock import PATIENCE_S, take_lock
from netheal.store.counts import Counts, add_counts
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.drift import BatchDrift, JudgedWindow, add_to_windows

REBUILD = (
    "Run 'netheal checkpoint rebuild', which rebuilds the checkpoint from the database: nothing is lost or read twice"
)
"""The way out of a checkpoint that cannot be gone on from."""


@dataclass(frozen=True)
class BatchPins:
    """What a micro-batch is bound to: `models` maps contract ids to bundle hashes."""

    topic: str
    topic_id: str
    start_offsets: Offsets
    end_offsets: Offsets
    models: dict[str, str]
    policy_version: str

    @property
    def rows(self) -> int:
        """Offsets from start to end: the rows, where the topic has no gaps."""
        return sum(end - self.start_offsets.get(partition, 0) for partition, end in self.end_offsets.items())


@dataclass(frozen=True)
class LedgerEntry:
    """A batch's row: its pins, and whether it is done.

    `new` says whether this is its first attempt, `opened_at`, UTC, is the time of that. `attempts` counts those that
    failed, and this one; `failure` is what the last one that told of its end failed with, empty for none.
    """

    pins: BatchPins
    state: Literal["open", "done"]
    opened_at: datetime
    new: bool
    attempts: int = 1
    failure: str = ""


@dataclass(frozen=True)
class LedgerEnd:
    """Where the ledger of one incarnation of a topic ends.

    `done` is the end of what done batches cover. `query_id` and `last_batch` name the batch that was pinned last
    (None and -1 where none ever was), `open` are its pins where it is not done. (One that earlier versions left open
    while another query read its rows is not open in this sense: it does not begin where the done ones end.)
    """

    done: Offsets
    query_id: str | None = None
    last_batch: int = -1
    open: BatchPins | None = None

    @property
    def position(self) -> Offsets:
        """Where the next row is to be read: a partition that no batch has read yet is not in it."""
        return self.done if self.open is None else self.done | self.open.start_offsets

    @property
    def pinned_end(self) -> Offsets:
        """No row at or past it was ever written to a sink."""
        return self.done if self.open is None else self.done | self.open.end_offsets


def acquire_topic_lock(connection: Connection, topic: str, topic_id: str, patience_s: float = PATIENCE_S) -> None:
    """One driver a topic and database: take the topic's advisory lock, which lives as long as `connection`.

    Waits for what is left of a driver that was killed just now; raises StreamRefused where the lock stays taken.
    """
    if not take_lock(connection, f"{topic}/{topic_id}", patience_s):
        raise StreamRefused(f"another driver reads topic {topic} into this database: stop it first")


def read_ledger_end(connection: Connection, topic: str, topic_id: str) -> LedgerEnd:
    """Where the ledger of a topic's incarnation ends now."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select done_offsets, last_query_id from topics where topic = %s and topic_id = %s", (topic, topic_id)
        )
        done, query_id = cursor.fetchone() or ({}, None)
        if query_id is None:
            return LedgerEnd(done)
        cursor.execute(
            "select batch_id, state, topic, topic_id, start_offsets, end_offsets, models, policy_version"
            " from batches where query_id = %s order by batch_id desc limit 1",
            (query_id,),
        )
        batch_id, state, *pins = cursor.fetchone() or (-1, "done")
    if state == "done" or _gap_or_overlap(done, BatchPins(*pins)) is not None:
        return LedgerEnd(done, query_id, batch_id)
    return LedgerEnd(done, query_id, batch_id, BatchPins(*pins))


def _gap_or_overlap(done: Offsets, pins: BatchPins) -> str | None:
    """What a batch would do that does not begin where the done ones end, or goes backward; None where it goes on."""
    for partition in sorted(done.keys() & pins.end_offsets.keys(), key=int):
        start, end = pins.start_offsets.get(partition, 0), done[partition]
        if start != end:
            what = f"read offsets {start} to {end} again" if start < end else f"pass over offsets {end} to {start}"
            return f"{what} in partition {partition}, where the ledger ends at {end}"
    for partition, end in pins.end_offsets.items():
        start = pins.start_offsets.get(partition, 0)
        if end < start:
            return f"go back from offset {start} to {end} in partition {partition}"
    return None


def knows_query(connection: Connection, topic: str, topic_id: str, query_id: str) -> bool:
    """Whether a batch of that query was ever pinned for this incarnation of the topic."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select exists (select 1 from batches where query_id = %s and topic = %s and topic_id = %s)",
            (query_id, topic, topic_id),
        )
        return cursor.fetchone() == (True,)


class Ledger:
    """The ledger of one stream."""

    def __init__(self, connection: Connection, query_id: str) -> None:
        self.query_id = query_id
        self._connection = connection

    def open_batch(self, batch_id: int, pins: BatchPins, policy: dict[str, Any]) -> LedgerEntry:
        """Pin a batch, and count the attempt; a batch that was pinned before keeps its first pins."""
        with transaction(self._connection) as cursor:
            record_policy(cursor, pins.policy_version, policy)
            entry = self._pin_first(cursor, batch_id, pins) or self._count_attempt(cursor, batch_id)
            if entry.state == "open":
                _refuse_overlap(cursor, batch_id, entry.pins)
        if (entry.pins.topic_id, entry.pins.end_offsets) != (pins.topic_id, pins.end_offsets):
            raise StreamRefused(
                f"batch {batch_id} was pinned to offsets {entry.pins.end_offsets}, but the checkpoint says"
                f" {pins.end_offsets}: the checkpoint and the database are not of one stream. {REBUILD}"
            )
        return entry

    def _pin_first(self, cursor: Cursor, batch_id: int, pins: BatchPins) -> LedgerEntry | None:
        """The row of a batch that was never pinned, written now; None where there is one."""
        cursor.execute(
            "insert into batches (query_id, batch_id, topic, topic_id, start_offsets, end_offsets, models,"
            " policy_version, state) values (%s, %s, %s, %s, %s, %s, %s, %s, 'open') on conflict do nothing"
            " returning opened_at",
            (
                self.query_id,
                batch_id,
                pins.topic,
                pins.topic_id,
                Json(pins.start_offsets),
                Json(pins.end_offsets),
                Json(pins.models),
                pins.policy_version,
            ),
        )
        inserted = cursor.fetchone()
        if inserted is None:
            return None
        cursor.execute(
            "update topics set last_query_id = %s where topic = %s and topic_id = %s"
            " and last_query_id is distinct from %s",
            (self.query_id, pins.topic, pins.topic_id, self.query_id),
        )
        return LedgerEntry(pins, "open", inserted[0].astimezone(UTC), new=True)

    def _count_attempt(self, cursor: Cursor, batch_id: int) -> LedgerEntry:
        """The row of a batch that was pinned before, one attempt later."""
        cursor.execute(
            "update batches set attempts = attempts + 1 where query_id = %s and batch_id = %s returning"
            " topic, topic_id, start_offsets, end_offsets, models, policy_version,"
            " state, opened_at, attempts, failure",
            (self.query_id, batch_id),
        )
        *first, state, opened_at, attempts, failure = cursor.fetchone() or ()
        return LedgerEntry(BatchPins(*first), state, opened_at.astimezone(UTC), False, attempts, failure)

    def record_failure(self, batch_id: int, failure: str) -> None:
        """Keep what an attempt at an open batch failed with, for whoever asks after this process has ended."""
        with transaction(self._connection) as cursor:
            cursor.execute(
                "update batches set failure = %s where query_id = %s and batch_id = %s and state = 'open'",
                (failure, self.query_id, batch_id),
            )

    def uncount_attempt(self, batch_id: int) -> None:
        """Take the attempt at an open batch out of the count: it ends, or may end, because somebody stops the job."""
        with transaction(self._connection) as cursor:
            cursor.execute(
                "update batches set attempts = attempts - 1"
                " where query_id = %s and batch_id = %s and state = 'open' and attempts > 0",
                (self.query_id, batch_id),
            )

    def repin(self, cursor: Cursor, batch_id: int, pins: BatchPins, offset_base: int) -> None:
        """Bind an open batch to other models, in the caller's transaction; what tasks stored of it is taken back."""
        cursor.execute(
            "update batches set models = %s where query_id = %s and batch_id = %s and state = 'open'",
            (Json(pins.models), self.query_id, batch_id),
        )
        take_back(cursor, batch_id, pins, offset_base)

    def close_batch(
        self, batch_id: int, verdicts: int, rejected: int, counts: Counts, drift: BatchDrift | None = None
    ) -> list[JudgedWindow]:
        """Add the counts and mark the batch done, in one transaction; a batch that is done stays as it is.

        Gives the windows of drift that it made full.
        """
        with transaction(self._connection) as cursor:
            cursor.execute(
                "update batches set state = 'done', closed_at = now(), verdicts = %s, rejected = %s"
                " where query_id = %s and batch_id = %s and state = 'open' returning topic, topic_id, end_offsets",
                (verdicts, rejected, self.query_id, batch_id),
            )
            closed = cursor.fetchone()
            if closed is None:
                return []
            _advance_done_offsets(cursor, *closed)
            judged = [] if drift is None else add_to_windows(cursor, drift)
            add_counts(cursor, counts)  # last: uploads wait for the totals
        return judged


def begin_query(cursor: Cursor, topic: str, topic_id: str, end: LedgerEnd, start_at: Offsets, offset_base: int) -> None:
    """Let the stream go on at `start_at` under a new query, in the caller's transaction.

    The new query's batch 0 covers what is passed over, from the ledger's end to `start_at`, with no row. A batch that
    is open is given up: what tasks stored of it in Postgres is taken back.
    """
    if end.query_id is None:
        return
    if end.open is not None:
        take_back(cursor, end.last_batch, end.open, offset_base)
        cursor.execute(
            "delete from batches where query_id = %s and batch_id = %s and state = 'open'",
            (end.query_id, end.last_batch),
        )
    query_id = str(uuid.uuid4())
    cursor.execute(
        "insert into batches (query_id, batch_id, topic, topic_id, start_offsets, end_offsets, models,"
        " policy_version, state, closed_at, verdicts, rejected)"
        " select %s, 0, %s, %s, %s, %s, '{}', version, 'done', now(), 0, 0"
        " from policies order by first_used_at desc limit 1",
        (query_id, topic, topic_id, Json(end.position), Json(start_at)),
    )
    cursor.execute(
        "update topics set last_query_id = %s, done_offsets = %s where topic = %s and topic_id = %s",
        (query_id, Json(start_at), topic, topic_id),
    )


def _refuse_overlap(cursor: Cursor, batch_id: int, pins: BatchPins) -> None:
    """The last line of defence: a batch begins where the done batches end, whatever the checkpoint says."""
    cursor.execute(
        "select done_offsets from topics where topic = %s and topic_id = %s for update", (pins.topic, pins.topic_id)
    )
    (done,) = cursor.fetchone() or ({},)
    misplaced = _gap_or_overlap(done, pins)
    if misplaced is not None:
        raise StreamRefused(f"batch {batch_id} would {misplaced}. {REBUILD}")


def _advance_done_offsets(cursor: Cursor, topic: str, topic_id: str, ends: Offsets) -> None:
    cursor.execute(
        "update topics set done_offsets = done_offsets || %s where topic = %s and topic_id = %s",
        (Json(ends), topic, topic_id),
    )


def take_back(cursor: Cursor, batch_id: int, pins: BatchPins, offset_base: int) -> None:
    """Delete what tasks stored of an open batch."""
    for events in _events_of(batch_id, pins, offset_base):
        for statement in _TAKE_BACK:
            cursor.execute(statement, events)


def has_rejected_rows(connection: Connection, batch_id: int, pins: BatchPins, offset_base: int) -> bool:
    """Whether tasks stored rejected rows of an open batch: they are in Postgres before anything is in Delta."""
    with transaction(connection) as cursor:
        for events in _events_of(batch_id, pins, offset_base):
            cursor.execute(_HAS_REJECTED, events)
            if cursor.fetchone() == (True,):
                return True
    return False


def _events_of(batch_id: int, pins: BatchPins, offset_base: int) -> Iterator[dict[str, int]]:
    """The parameters of `_OF_BATCH`, for each partition."""
    for partition, end in pins.end_offsets.items():
        yield {
            "batch": batch_id,
            "partition": int(partition),
            "first": event_id(0, pins.start_offsets.get(partition, 0), offset_base),
            "end": event_id(0, end, offset_base),
            "all": PARTITIONS_PER_TOPIC,
        }


_OF_BATCH = (
    " where event_id >= %(first)s and event_id < %(end)s and event_id %% %(all)s = %(partition)s"
    " and batch_id = %(batch)s"
)
_TAKE_BACK = tuple(f"delete from {table}{_OF_BATCH}" for table in ("verdicts", "rejected"))
_HAS_REJECTED = f"select exists (select 1 from rejected{_OF_BATCH})"


def record_policy(cursor: Cursor, version: str, document: dict[str, Any]) -> None:
    """Keep the document of a policy that something is decided by."""
    cursor.execute(
        "insert into policies (version, document) values (%s, %s) on conflict do nothing", (version, Json(document))
    )


def read_policy_document(connection: Connection, version: str) -> dict[str, Any]:
    """The policy that a batch was pinned to."""
    with transaction(connection) as cursor:
        cursor.execute("select document from policies where version = %s", (version,))
        row = cursor.fetchone()
    if row is None:
        raise StreamRefused(f"the ledger names policy {version}, which is not in the database")
    return dict(row[0])
