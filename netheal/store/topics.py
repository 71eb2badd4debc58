"""Which incarnation of a topic the stream reads, and how far: a recreated one has other rows at its offsets."""

from dataclasses import dataclass

from netheal.errors import StreamRefused
from netheal.kafka.offsets import Offsets
from netheal.store.database import Connection, Cursor, transaction


@dataclass(frozen=True)
class TopicGeneration:
    """A topic as the broker made it: its name, the id it got, and what is added to its offsets to make event ids."""

    name: str
    id: str
    offset_base: int


def register_topic(connection: Connection, topic: str, topic_id: str) -> TopicGeneration:
    """This incarnation, with its offset base (0 for the first one), recording the first one that is seen.

    Raises StreamRefused where the topic is not the incarnation that was read last.
    """
    with transaction(connection) as cursor:
        known = _newest(cursor, topic)
        if known is None:
            _record(cursor, TopicGeneration(topic, topic_id, 0))
            known = _newest(cursor, topic) or TopicGeneration(topic, topic_id, 0)
    if known.id != topic_id:
        raise StreamRefused(recreated(topic, known.id, topic_id))
    return known


def recreated(topic: str, known_id: str, current_id: str) -> str:
    """What is told of a topic that has another id than the one that was read, with the way out."""
    return (
        f"topic {topic} was deleted and recreated (its id was {known_id}, now {current_id}), so stored offsets"
        " mean other rows: run 'netheal topic adopt' to go on with the new topic from its beginning"
    )


def adopt_topic(connection: Connection, topic: str, topic_id: str) -> TopicGeneration:
    """Go on with an incarnation, new or not, with the offset base that keeps event ids unique."""
    with transaction(connection) as cursor:
        known = _known(cursor, topic, topic_id)
        if known is not None:
            return known
        cursor.execute(
            "select coalesce(max(t.offset_base + e.value::bigint), 0) from batches b"
            " join topics t using (topic, topic_id), jsonb_each_text(b.end_offsets) e where b.topic = %s",
            (topic,),
        )
        (base,) = cursor.fetchone() or (0,)
        adopted = TopicGeneration(topic, topic_id, int(base))
        _record(cursor, adopted)
        return _known(cursor, topic, topic_id) or adopted


def known_topic(connection: Connection, topic: str) -> TopicGeneration | None:
    """The incarnation that was read last, None for none."""
    with transaction(connection) as cursor:
        return _newest(cursor, topic)


def offset_base(connection: Connection, topic: str) -> int:
    """What is added to the offsets of a topic's present incarnation to make event ids; 0 before the job has seen it."""
    known = known_topic(connection, topic)
    return 0 if known is None else known.offset_base


def done_offsets(cursor: Cursor, topic: str) -> Offsets:
    """Up to where every sink has the rows of a topic's present incarnation, in the caller's transaction."""
    cursor.execute("select done_offsets from topics where topic = %s order by adopted_at desc limit 1", (topic,))
    (done,) = cursor.fetchone() or ({},)
    return dict(done)


def lag_rows(ends: Offsets, done: Offsets) -> int:
    """Rows that are not in every sink yet, of a topic that ends at `ends`."""
    return sum(max(0, end - done.get(partition, 0)) for partition, end in ends.items())


def _newest(cursor: Cursor, topic: str) -> TopicGeneration | None:
    cursor.execute(
        "select topic, topic_id, offset_base from topics where topic = %s order by adopted_at desc limit 1", (topic,)
    )
    row = cursor.fetchone()
    return None if row is None else TopicGeneration(*row)


def _known(cursor: Cursor, topic: str, topic_id: str) -> TopicGeneration | None:
    cursor.execute(
        "select topic, topic_id, offset_base from topics where topic = %s and topic_id = %s", (topic, topic_id)
    )
    row = cursor.fetchone()
    return None if row is None else TopicGeneration(*row)


def _record(cursor: Cursor, topic: TopicGeneration) -> None:
    """Unless another process has just recorded it: the job and `netheal up` begin side by side."""
    cursor.execute(
        "insert into topics (topic, topic_id, offset_base) values (%s, %s, %s) on conflict do nothing",
        (topic.name, topic.id, topic.offset_base),
    )
