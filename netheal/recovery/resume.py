"""Where the stream goes on at a start, and why it may not.

**The ledger is the truth.** Postgres writes it synchronously; a batch is pinned there before a row of it is scored,
and done in the transaction that counts its rows. Spark's checkpoint is what Spark is told of it: it is not synced,
can be lost, restored from an older copy or cut short by a power failure, and then is made anew from the ledger.

At each start, and when the query has failed, under the topic's fence:

1. The ledger says where it ends: the end of its done batches, and the pins of the one that was open, if any.
2. Delta may hold no batch that the ledger does not know: then the *database* is the older
   one (restored from a backup), and going on would leave rows out of its counts. Refused;
   `netheal checkpoint rebuild --score-again` takes these rows out of Delta and reads them again.
3. The broker must still have what comes next. Offsets that retention removed: refused; `netheal topic adopt` records
   them as an outage and begins a new query behind them. A topic that ends before the ledger does (a broker that lost
   its last rows) would give their offsets to other rows: refused.
4. The checkpoint goes on exactly where the ledger ends, with the same query: Spark goes on from it.
   None there, or an older one (fewer batches of the query, or an earlier query that the ledger knows): it is made
   anew, as everything in it is in the ledger, and what Spark planned but the ledger never pinned was never written.
   Damaged, or of a stream the ledger does not know, or ahead of the ledger: refused; a person looks, and
   `netheal checkpoint rebuild` does the same.

A checkpoint that is made anew keeps the query's id and the number of its next batch. An open batch keeps its pinned
end, so that Spark replays exactly that batch: its Delta commit is recognised by (query, batch), its Postgres rows by
their keys, its models and policy are those of the pins. Nothing of a batch that is done is ever read again: beside
all this, `Ledger.open_batch` refuses a batch that does not begin where the done ones end.

A new query is begun only where numbering must not go on: behind a gap, or where rows were taken out of Delta, whose
last version for the old query is then that of a batch that is to be made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from netheal.kafka.offsets import OffsetRange, OffsetRanges, Offsets
from netheal.recovery.checkpoint import Checkpoint, ResumePoint
from netheal.store.ledger import REBUILD, LedgerEnd

SCORE_AGAIN = "netheal checkpoint rebuild --score-again"
ADOPT = "netheal topic adopt"


@dataclass(frozen=True)
class ResumeState:
    """Everything the decision looks at.

    `delta_batch` is the last batch of the ledger's query in Delta, -1 for none; `delta_beyond` whether Delta holds
    rows past what the ledger ever pinned; `checkpoint_known` whether the ledger knows the checkpoint's query.
    """

    topic: str
    ledger: LedgerEnd
    broker: OffsetRanges
    checkpoint: Checkpoint
    delta_batch: int = -1
    delta_beyond: bool = False
    checkpoint_known: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do. `reason` is a sentence for a person, with the way out where it is refused."""

    action: Literal["go_on", "rebuild", "refuse"]
    reason: str = ""


def decide(found: ResumeState) -> Decision:
    """Whether the stream may go on, and from which checkpoint."""
    reason = database_behind(found) or broker_short(found)
    return _checkpoint_fits(found) if reason is None else Decision("refuse", reason)


def resume_point(end: LedgerEnd) -> ResumePoint | None:
    """Where the ledger's query goes on; None where no batch was ever pinned."""
    if end.query_id is None:
        return None
    if end.open is not None:
        return ResumePoint(end.query_id, end.last_batch, end.open.start_offsets, end.open.end_offsets)
    return ResumePoint(end.query_id, end.last_batch + 1, end.done)


def lost_ranges(end: LedgerEnd, broker: OffsetRanges) -> dict[str, OffsetRange]:
    """Offsets that come next, but that the broker no longer has."""
    if end.query_id is None:
        return {}
    position = end.position
    starts = {partition: position.get(partition, 0) for partition in broker}
    return {p: OffsetRange(starts[p], broker[p].start) for p in _ordered(broker) if broker[p].start > starts[p]}


def in_words(ranges: OffsetRanges) -> str:
    """`offsets 10 to 499 of partition 0, offsets …`"""
    return ", ".join(f"offsets {r.start} to {r.end - 1} of partition {p}" for p, r in ranges.items())


def _ordered(partitions: Mapping[str, object]) -> list[str]:
    return sorted(partitions, key=int)


def database_behind(found: ResumeState) -> str | None:
    """Why the database cannot be gone by, with the way out; None where it can."""
    end, checkpoint = found.ledger, found.checkpoint
    if end.query_id is None:
        if not found.delta_beyond and checkpoint.last_commit < 0:
            return None
        where = "the Delta tables hold rows" if found.delta_beyond else "the checkpoint holds batches"
        return (
            f"{where} that the database does not know of, and none of topic {found.topic}: restore the database from"
            " its backup. A stream that starts over, or with another topic, needs a database and folders of its own"
            " (NETHEAL_POSTGRES_DSN, NETHEAL_STORE_ROOT, NETHEAL_CHECKPOINT_DIR)"
        )
    if found.delta_batch <= end.last_batch and not found.delta_beyond:
        return None
    return (
        "the Delta tables hold batches that the database does not know: it seems to be restored from an older backup."
        f" Restore a newer one, or run '{SCORE_AGAIN}', which removes the rows of these batches from Delta and reads"
        " them again"
    )


def broker_short(found: ResumeState) -> str | None:
    """What the broker lacks of what comes next, with the way out; None where it has all."""
    lost = lost_ranges(found.ledger, found.broker)
    if lost:
        return (
            f"topic {found.topic} no longer has {in_words(lost)}: its retention removed them before they were read."
            f" Run '{ADOPT}', which records them as lost and continues after them, and raise the topic's retention"
        )
    done = found.ledger.done
    short = {p: OffsetRange(r.end, done[p]) for p, r in found.broker.items() if r.end < done.get(p, 0)}
    if short:
        return (
            f"topic {found.topic} lost {in_words(short)}, which are scored and stored already, and would give these"
            " offsets to other rows (a broker that lost its newest rows, such as by a power cut). Delete the topic,"
            f" create it again, and run '{ADOPT}'; rows in it that are not scored yet have to be sent again"
        )
    return None


def _checkpoint_fits(found: ResumeState) -> Decision:
    end, checkpoint = found.ledger, found.checkpoint
    if checkpoint.damage:
        if end.query_id is None:
            return Decision("rebuild", f"no batch was pinned yet, and of the checkpoint {'; '.join(checkpoint.damage)}")
        return Decision("refuse", damaged(checkpoint))
    if checkpoint.is_empty:
        return Decision("go_on") if end.query_id is None else Decision("rebuild", "there is no checkpoint")
    if end.query_id is None:
        return Decision("go_on")  # planned by Spark, and never pinned
    if checkpoint.query_id != end.query_id:
        if found.checkpoint_known:
            return Decision("rebuild", "the checkpoint is of an earlier query")
        return Decision("refuse", f"the checkpoint is of another stream than the database. {REBUILD}")
    return _same_query(end, checkpoint)


def damaged(checkpoint: Checkpoint) -> str:
    """What is wrong with a damaged checkpoint, and the way out."""
    return f"the checkpoint {checkpoint.location} is damaged: {'; '.join(checkpoint.damage)}. {REBUILD}"


def _same_query(end: LedgerEnd, checkpoint: Checkpoint) -> Decision:
    last_done = end.last_batch if end.open is None else end.last_batch - 1
    if checkpoint.last_commit > last_done:
        return Decision(
            "refuse",
            f"the checkpoint says that batch {checkpoint.last_commit} is over, the database only knows those up to"
            f" {last_done} as done. {REBUILD}",
        )
    if checkpoint.last_offsets > end.last_batch + 1:
        return Decision("refuse", f"the checkpoint is ahead of the database. {REBUILD}")
    if checkpoint.last_offsets < end.last_batch:
        return Decision("rebuild", "the checkpoint is older than the ledger")
    if checkpoint.last_offsets == end.last_batch:
        pinned = end.done if end.open is None else end.open.end_offsets
        if _differ(checkpoint.end, pinned):
            return Decision("refuse", f"the checkpoint has other offsets than the database. {REBUILD}")
    return Decision("go_on")


def _differ(offsets: Offsets, pinned: Offsets) -> bool:
    return any(offsets.get(partition) != offset for partition, offset in pinned.items())
