"""The ledger: what each micro-batch read and used, so that a replay does the same and nothing counts twice."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg2.extras import Json

from netheal.errors import StreamRefused
from netheal.store.counts import Counts, add_counts
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.schema import PARTITIONS_PER_TOPIC

_PAUSE_S = 0.1

Offsets = dict[str, int]
"""Kafka partition (as a string) -> offset."""


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

    `opened_at`, UTC, is the time of its first attempt, `attempts` counts them with this one, and `failure` is
    what the last one that told of its end failed with, empty for none.
    """

    pins: BatchPins
    state: Literal["open", "done"]
    opened_at: datetime
    attempts: int = 1
    failure: str = ""

    @property
    def new(self) -> bool:
        """Whether this is the batch's first attempt."""
        return self.attempts == 1


def fence(connection: Connection, checkpoint: str, patience_s: float = 5.0) -> None:
    """One driver at a time: take the checkpoint's advisory lock, which lives as long as `connection`.

    Waits for what is left of a driver that was killed just now; raises StreamRefused where the lock stays taken.
    """
    limit = time.monotonic() + patience_s
    while not _locked(connection, checkpoint):
        if time.monotonic() > limit:
            raise StreamRefused(
                "another driver runs on this checkpoint: stop it first, or give this one another checkpoint"
            )
        time.sleep(_PAUSE_S)


def _locked(connection: Connection, checkpoint: str) -> bool:
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (checkpoint,))
        return cursor.fetchone() == (True,)


class Ledger:
    """The ledger of one stream."""

    def __init__(self, connection: Connection, query_id: str) -> None:
        self._connection = connection
        self._query_id = query_id

    def open_batch(self, batch_id: int, pins: BatchPins, policy: dict[str, Any]) -> LedgerEntry:
        """Pin a batch, and count the attempt; a batch that was pinned before keeps its first pins."""
        with transaction(self._connection) as cursor:
            record_policy(cursor, pins.policy_version, policy)
            cursor.execute(
                "insert into batches (query_id, batch_id, topic, topic_id, start_offsets, end_offsets, models,"
                " policy_version, state) values (%s, %s, %s, %s, %s, %s, %s, %s, 'open') on conflict do nothing"
                " returning opened_at",
                (
                    self._query_id,
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
            if inserted is not None:
                return LedgerEntry(pins, "open", inserted[0].astimezone(UTC))
            cursor.execute(
                "update batches set attempts = attempts + 1 where query_id = %s and batch_id = %s returning"
                " topic, topic_id, start_offsets, end_offsets, models, policy_version,"
                " state, opened_at, attempts, failure",
                (self._query_id, batch_id),
            )
            *first, state, opened_at, attempts, failure = cursor.fetchone() or ()
        entry = LedgerEntry(BatchPins(*first), state, opened_at.astimezone(UTC), attempts, failure)
        if (entry.pins.topic_id, entry.pins.end_offsets) != (pins.topic_id, pins.end_offsets):
            raise StreamRefused(
                f"batch {batch_id} was pinned to offsets {entry.pins.end_offsets}, but the checkpoint says"
                f" {pins.end_offsets}: the checkpoint and the database are not of one stream"
            )
        return entry

    def record_failure(self, batch_id: int, failure: str) -> None:
        """Keep what an attempt at an open batch failed with, for whoever asks after this process has ended."""
        with transaction(self._connection) as cursor:
            cursor.execute(
                "update batches set failure = %s where query_id = %s and batch_id = %s and state = 'open'",
                (failure, self._query_id, batch_id),
            )

    def pin_again(self, cursor: Cursor, batch_id: int, pins: BatchPins, offset_base: int) -> None:
        """Bind an open batch to other models, in the caller's transaction; what tasks stored of it is taken back."""
        cursor.execute(
            "update batches set models = %s where query_id = %s and batch_id = %s and state = 'open'",
            (Json(pins.models), self._query_id, batch_id),
        )
        for partition, end in pins.end_offsets.items():
            events = {
                "batch": batch_id,
                "partition": int(partition),
                "first": (offset_base + pins.start_offsets.get(partition, 0)) * PARTITIONS_PER_TOPIC,
                "end": (offset_base + end) * PARTITIONS_PER_TOPIC,
                "all": PARTITIONS_PER_TOPIC,
            }
            for statement in _TAKE_BACK:
                cursor.execute(statement, events)

    def close_batch(self, batch_id: int, verdicts: int, rejected: int, counts: Counts) -> None:
        """Add the counts and mark the batch done, in one transaction; a batch that is done stays as it is."""
        with transaction(self._connection) as cursor:
            cursor.execute(
                "update batches set state = 'done', closed_at = now(), verdicts = %s, rejected = %s"
                " where query_id = %s and batch_id = %s and state = 'open'",
                (verdicts, rejected, self._query_id, batch_id),
            )
            if cursor.rowcount == 0:
                return
            add_counts(cursor, counts)


_OF_BATCH = (
    " where event_id >= %(first)s and event_id < %(end)s and event_id %% %(all)s = %(partition)s"
    " and batch_id = %(batch)s"
)
_TAKE_BACK = tuple(f"delete from {table}{_OF_BATCH}" for table in ("verdicts", "rejected"))


def record_policy(cursor: Cursor, version: str, document: dict[str, Any]) -> None:
    """Keep the document of a policy that something is judged by."""
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
