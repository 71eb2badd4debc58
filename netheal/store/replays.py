"""The ledger of replays: which rejected rows a replay took, with which models, and what became of each.

A row of `replayed` is `open` while its batch is, then `accepted` for ever, or `rejected` until a later replay takes
the event again. At most one batch is open at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg2.extras import Json, execute_values

from netheal.contracts.event_id import UPLOAD_PARTITION
from netheal.errors import Conflict
from netheal.kafka.offsets import Offsets
from netheal.store.advisory_lock import take_lock
from netheal.store.counts import Counts, add_counts
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.ledger import record_policy
from netheal.store.serving_rows import ServingRows, copy_rows

_LOCK = "netheal-replay"
_PIN = (
    "insert into replayed (event_id, recorded_at, replay_batch_id, result) values %s on conflict (event_id) do update"
    " set replay_batch_id = excluded.replay_batch_id, result = 'open' where replayed.result = 'rejected'"
)
_MARK_REJECTED = (
    "update replayed r set result = 'rejected', reason = v.reason, detail = v.detail, replayed_at = clock_timestamp()"
    " from (values %s) v (event_id, reason, detail) where r.event_id = v.event_id and r.result = 'open'"
)

_FORGOTTEN = "recorded_at < %s and result <> 'open'"


@dataclass(frozen=True)
class ReplayPins:
    """What a batch of a replay is bound to: `models` maps contract ids to bundle hashes, `events` ids to times."""

    id: int
    run_id: str
    models: dict[str, str]
    policy_version: str
    events: Mapping[int, datetime]


@dataclass(frozen=True)
class ReplayOutcome:
    """What a batch leaves behind. An event of its pins that is in neither of the two was not decided.

    `rejected` are events with reason and detail, `rows` the serving rows of accepted ones in the hot window.
    `counts` are those of rows of the stream, `upload_counts` of rows of files.
    """

    accepted: Sequence[int]
    rejected: Sequence[tuple[int, str, str]]
    rows: ServingRows
    counts: Counts
    upload_counts: Counts


@dataclass(frozen=True)
class EarlierReplay:
    """What a replay has made of an event, and by which models."""

    result: str
    models: dict[str, str]


@dataclass(frozen=True)
class FinishedRows:
    """Which rejected rows belong to batches and files that are done: no other writer comes back to their events.

    `ends`: topic -> end of its done batches, by partition, offset bases included. `open_uploads`: ids.
    """

    ends: Mapping[str, Offsets]
    open_uploads: frozenset[int]

    def holds(self, topic: str, partition: int, place: int, batch_id: int) -> bool:
        """Whether the row at `place`, its offset with the base added, is one of them."""
        if partition == UPLOAD_PARTITION:
            return batch_id not in self.open_uploads
        return place < self.ends.get(topic, {}).get(str(partition), 0)


def acquire_replay_lock(connection: Connection) -> None:
    """One replay a database: take the lock, which lives as long as `connection`; raises Conflict where it is taken."""
    if not take_lock(connection, _LOCK):
        raise Conflict("another replay is running: wait until it has ended, then start this one again")


def finished_rows(connection: Connection) -> FinishedRows:
    """As of now."""
    with transaction(connection) as cursor:
        cursor.execute("select topic, offset_base, done_offsets from topics order by adopted_at")
        ends: dict[str, Offsets] = {}
        # The newest incarnation of a topic comes last: all places of those before it are below its own.
        for topic, base, done in cursor.fetchall():
            ends.setdefault(topic, {}).update({partition: base + end for partition, end in done.items()})
        cursor.execute("select id from uploads where state = 'open'")
        return FinishedRows(ends, frozenset(upload for (upload,) in cursor.fetchall()))


def open_replay_batch(connection: Connection) -> ReplayPins | None:
    """The batch that a replay which was cut off has left, if one did."""
    with transaction(connection) as cursor:
        cursor.execute("select id, run_id, models, policy_version from replay_batches where state = 'open'")
        found = cursor.fetchone()
        if found is None:
            return None
        batch_id, run_id, models, policy_version = found
        cursor.execute(
            "select event_id, recorded_at from replayed where replay_batch_id = %s and result = 'open'", (batch_id,)
        )
        return ReplayPins(batch_id, run_id, models, policy_version, dict(cursor.fetchall()))


def earlier_replays(connection: Connection, events: Sequence[int]) -> dict[int, EarlierReplay]:
    """Event id -> what became of it, of those that a replay took before."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select r.event_id, r.result, b.models from replayed r join replay_batches b on b.id = r.replay_batch_id"
            " where r.event_id = any(%s)",
            (list(events),),
        )
        return {event: EarlierReplay(*found) for event, *found in cursor.fetchall()}


def pin_replay(connection: Connection, wanted: ReplayPins, policy: dict[str, Any]) -> ReplayPins:
    """Open a batch, in one transaction; its pins with its id, which is above `wanted.id` and all there were.

    Raises Conflict where another batch is open, or an event was accepted by a replay already.
    """
    with transaction(connection) as cursor:
        record_policy(cursor, wanted.policy_version, policy)
        cursor.execute(
            "insert into replay_batches (id, run_id, models, policy_version, state)"
            " select greatest(coalesce(max(id), 0), %s) + 1, %s, %s, %s, 'open' from replay_batches"
            " on conflict do nothing returning id",
            (wanted.id, wanted.run_id, Json(wanted.models), wanted.policy_version),
        )
        (batch_id,) = cursor.fetchone() or (None,)
        if batch_id is None:
            raise Conflict("another replay has a batch open: start this one again when it has ended")
        rows = [(event, at, batch_id, "open") for event, at in wanted.events.items()]
        execute_values(cursor, _PIN, rows, page_size=max(1, len(rows)))
        if cursor.rowcount != len(rows):
            raise Conflict("some of the rows were accepted by another replay: start this one again")
    return replace(wanted, id=batch_id)


def repin_replay(cursor: Cursor, pins: ReplayPins) -> None:
    """Bind an open batch to other models, in the caller's transaction."""
    cursor.execute(
        "update replay_batches set models = %s where id = %s and state = 'open'", (Json(pins.models), pins.id)
    )


def close_replay(connection: Connection, pins: ReplayPins, outcome: ReplayOutcome) -> None:
    """Store the serving rows, count, mark each event and the batch, in one transaction; a done batch stays as it is.

    Events that were not decided are let go, as if no replay had taken them.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "update replay_batches set state = 'done', closed_at = clock_timestamp(), accepted = %s, rejected = %s"
            " where id = %s and state = 'open'",
            (len(outcome.accepted), len(outcome.rejected), pins.id),
        )
        if cursor.rowcount != 1:
            return
        cursor.execute(
            "update replayed set result = 'accepted', replayed_at = clock_timestamp()"
            " where replay_batch_id = %s and result = 'open' and event_id = any(%s)",
            (pins.id, list(outcome.accepted)),
        )
        if outcome.rejected:
            execute_values(cursor, _MARK_REJECTED, outcome.rejected, page_size=len(outcome.rejected))
        cursor.execute("delete from replayed where replay_batch_id = %s and result = 'open'", (pins.id,))
        copy_rows(cursor, outcome.rows)
        add_counts(cursor, outcome.counts, outcome.upload_counts)


def count_replays_before(connection: Connection, oldest: datetime | None) -> int:
    """How many rows `forget_replays_before` would remove."""
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) from replayed where {_FORGOTTEN}", (oldest,))
        (found,) = cursor.fetchone() or (0,)
    return int(found)


def forget_replays_before(connection: Connection, oldest: datetime | None) -> int:
    """Remove what became of rejected rows that were recorded before, which are no longer kept; None keeps all.

    To be called once Delta has them no more.
    """
    with transaction(connection) as cursor:
        cursor.execute(f"delete from replayed where {_FORGOTTEN}", (oldest,))
        removed = cursor.rowcount
        cursor.execute(
            "delete from replay_batches b where state = 'done' and %s is not null"
            " and not exists (select 1 from replayed r where r.replay_batch_id = b.id)",
            (oldest,),
        )
    return removed
