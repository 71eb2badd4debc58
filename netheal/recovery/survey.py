"""One look at everything that a start is decided by: the ledger, Delta, the broker's answer, the checkpoint."""

from collections.abc import Sequence

from netheal.kafka.offsets import OffsetRanges
from netheal.recovery.checkpoint import CheckpointFiles, read_checkpoint
from netheal.recovery.resume import ResumeState
from netheal.store.database import Connection
from netheal.store.delta import DeltaLog, application_id
from netheal.store.ledger import LedgerEnd, knows_query, read_ledger_end
from netheal.store.topics import TopicGeneration


def collect_state(
    connection: Connection,
    topic: TopicGeneration,
    broker: OffsetRanges,
    files: CheckpointFiles,
    logs: Sequence[DeltaLog],
) -> ResumeState:
    """What is found now; raises ServiceUnavailable where something does not answer."""
    end = read_ledger_end(connection, topic.name, topic.id)
    checkpoint = read_checkpoint(files, topic.name)
    same = end.query_id is not None and checkpoint.query_id == end.query_id
    known = checkpoint.query_id is not None and knows_query(connection, topic.name, topic.id, checkpoint.query_id)
    return ResumeState(
        topic=topic.name,
        ledger=end,
        broker=broker,
        checkpoint=checkpoint,
        delta_batch=last_delta_batch(end, logs),
        # Of the same query the version tells; of others only the rows do, which costs a scan of the newest parts.
        delta_beyond=not same and any(log.holds_rows_from(end.pinned_end, topic.offset_base) for log in logs),
        checkpoint_known=known,
    )


def last_delta_batch(end: LedgerEnd, logs: Sequence[DeltaLog]) -> int:
    """The last batch of the ledger's query in Delta, -1 for none."""
    if end.query_id is None:
        return -1
    versions = [log.committed(application_id(end.query_id)) for log in logs]
    return max((version for version in versions if version is not None), default=-1)
