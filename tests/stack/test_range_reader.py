"""A task reads the committed records of its offsets, each once and in order, whatever else the partitions hold."""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions

from jobs.stages import range_reader, worker_connections
from jobs.stages.partition_ranges import PartitionRange, shares
from jobs.stages.range_reader import RangeReader
from netheal.embedded.kafka import EmbeddedKafka
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.kafka.clients import admin_client
from netheal.kafka.topics import ensure_topics, offset_ranges, topic_id
from netheal.settings import load_settings
from netheal.store.ledger import BatchPins
from tests.deadlines import DEADLINE_S
from tests.stack.harness import eventually

pytestmark = pytest.mark.stack

MIB = 2**20
MAX_MESSAGE_BYTES = 10 * MIB
_NUMBERS = itertools.count()
Pair = tuple[bytes | None, bytes | None]
"""Key and value."""
Row = tuple[int, int, bytes | None, bytes | None]
"""Partition, offset, key and value."""
End = Literal["commit", "abort", "open"]


@dataclass
class Topic:
    """A topic, and what it holds that is committed."""

    servers: str
    name: str
    rows: list[Row] = field(default_factory=list)
    producers: list[Producer] = field(default_factory=list)

    @property
    def reader(self) -> RangeReader:
        """Of the topic as it is now."""
        return RangeReader(self.name, topic_id(self.servers, self.name), self.servers, {})

    @cached_property
    def admin(self) -> AdminClient:
        return admin_client(self.servers)

    def ends(self) -> dict[str, int]:
        return {name: found.end for name, found in offset_ranges(self.servers, self.name).items()}

    def whole(self, partition: int = 0) -> PartitionRange:
        """All offsets that a partition has had so far."""
        return PartitionRange(partition, 0, self.ends()[str(partition)])

    def send(
        self, pairs: Sequence[Pair], partition: int = 0, end: End | None = None, compression: str = "none"
    ) -> None:
        """Records to one partition, in a transaction where it is said how this ends."""
        given = {
            "bootstrap.servers": self.servers,
            "acks": "all",
            "linger.ms": 0,
            "log_level": 0,
            "compression.type": compression,
        }
        given["message.max.bytes"] = MAX_MESSAGE_BYTES
        if end is not None:
            given["transactional.id"] = f"{self.name}-{next(_NUMBERS)}"
        producer = Producer(given)
        placed: list[Row] = []
        if end is not None:
            producer.init_transactions(DEADLINE_S)
            producer.begin_transaction()
        for pair in pairs:
            producer.produce(self.name, pair[1], pair[0], partition, on_delivery=partial(_place, placed, pair))
            producer.poll(0)
        assert producer.flush(DEADLINE_S) == 0 and len(placed) == len(pairs)
        if end == "commit":
            producer.commit_transaction(DEADLINE_S)
        elif end == "abort":
            producer.abort_transaction(DEADLINE_S)
        elif end == "open":
            self.producers.append(producer)
        if end in ("commit", "abort"):
            behind_marker = placed[-1][1] + 2
            eventually(lambda: self.ends()[str(partition)] == behind_marker, "the transaction's marker is written")
        if end in (None, "commit"):
            self.rows += placed

    def in_ranges(self, *ranges: PartitionRange) -> list[Row]:
        """The committed rows of the ranges."""
        return sorted(
            row for row in self.rows if any(r.partition == row[0] and r.start <= row[1] < r.end for r in ranges)
        )

    def delete_records(self, before: int, partition: int = 0) -> None:
        """What retention does."""
        place = TopicPartition(self.name, partition, before)
        self.admin.delete_records([place])[place].result()

    def delete(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result()
        self.rows.clear()

    def remake(self) -> None:
        self.delete()
        eventually(lambda: ensure_topics(self.servers, {self.name: 1}), "the topic is made again")


def _place(placed: list[Row], pair: Pair, error: Any, message: Any) -> None:
    assert error is None
    placed.append((message.partition(), message.offset(), *pair))


def numbered(rows: int, start: int = 0) -> list[Pair]:
    return [(b"k%d" % n, b"v%d" % n) for n in range(start, start + rows)]


def large(rows: int) -> list[Pair]:
    """More than a consumer fetches ahead."""
    return [(b"%d" % n, b"%03d" % n + os.urandom(MIB)) for n in range(rows)]


def rows_of(batches: Iterator[Any]) -> list[Row]:
    """In the order in which they come."""
    return [
        row
        for batch in batches
        for row in zip(*(batch[name].to_pylist() for name in ("partition", "offset", "key", "value")), strict=True)
    ]


def read(topic: Topic, *ranges: PartitionRange) -> list[Row]:
    """What the reader gives; those of one partition are in order."""
    rows = rows_of(topic.reader.read(ranges))
    assert [row[:2] for row in sorted(rows, key=lambda row: row[0])] == sorted(row[:2] for row in rows)
    return sorted(rows, key=lambda row: row[:2])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    jars = load_settings().paths.tools_dir
    if not list((jars / "broker").glob("*.jar")):
        pytest.skip(f"the jars are not in {jars / 'broker'}: `make setup` fetches them")
    folder: Path = tmp_path_factory.mktemp("broker")
    server = EmbeddedKafka(folder / "kafka", jars, 0, folder / "log", heap_mb=768)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def make_topic(broker: EmbeddedKafka) -> Iterator[Callable[..., Topic]]:
    """Makes a topic; its settings may be given with underscores for dots."""
    made: list[Topic] = []

    def make(partitions: int = 1, **config: str) -> Topic:
        topic = Topic(broker.bootstrap_servers, f"t{next(_NUMBERS)}")
        ensure_topics(
            topic.servers, {topic.name: partitions}, config={k.replace("_", "."): v for k, v in config.items()}
        )
        made.append(topic)
        return topic

    yield make
    for topic in made:
        for producer in topic.producers:
            producer.abort_transaction(DEADLINE_S)


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that waits for what does not come fails soon."""
    monkeypatch.setattr(range_reader, "_READ_TIMEOUT_S", 20.0)


TRANSACTIONS: dict[str, list[End | None]] = {
    "aborted at the start": ["abort", None, "commit", None],
    "aborted in the middle": [None, "abort", None],
    "aborted at the end": [None, "commit", "abort"],
    "several aborted at the end": [None, "abort", "abort"],
    "a control record at the end": [None, "commit"],
    "nothing but aborted": ["abort"],
}


@pytest.mark.parametrize("parts", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_committed_records_come_and_aborted_ones_do_not(
    make_topic: Callable[..., Topic], parts: list[End | None]
) -> None:
    """Whether the range is the end of the partition, or records or an open transaction are behind it."""
    topic = make_topic(partitions=3)
    ranges = []
    for at in range(3):
        for part in parts:
            topic.send(numbered(5), at, part)
        ranges.append(topic.whole(at))
    topic.send(numbered(3), 1)
    topic.send(numbered(3), 2, "open")
    for one in ranges:
        assert read(topic, one) == topic.in_ranges(one)
    assert read(topic, *ranges) == topic.in_ranges(*ranges)
    assert len(topic.in_ranges(*ranges)) == 3 * 5 * (len(parts) - parts.count("abort"))


def test_a_range_may_begin_and_end_anywhere_in_transactions(make_topic: Callable[..., Topic]) -> None:
    topic = make_topic()
    parts: list[End | None] = ["abort", None, "commit", "abort", "abort", None, "commit"]
    for at, part in enumerate(parts):
        topic.send(numbered(2, start=10 * at), end=part)
    _, _, end = topic.whole()
    for cut in range(1, end):
        first, second = PartitionRange(0, 0, cut), PartitionRange(0, cut, end)
        assert read(topic, first) + read(topic, second) == topic.rows
    assert len(topic.rows) == 8


def test_a_range_ends_where_compaction_has_removed_its_last_offsets(
    broker: EmbeddedKafka, make_topic: Callable[..., Topic]
) -> None:
    topic = make_topic(
        cleanup_policy="compact", segment_ms="10", min_cleanable_dirty_ratio="0.001", delete_retention_ms="0"
    )
    entry = ConfigEntry("log.cleaner.backoff.ms", "50", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
    topic.admin.incremental_alter_configs([resource])[resource].result()
    topic.send([(key, b"old") for key in (b"a", b"b", b"a", b"c", b"d", b"e")])
    topic.send([(key, b"aborted") for key in (b"a", b"f")], end="abort")
    planned = topic.whole()
    topic.send([(key, b"new") for key in (b"b", b"d", b"e")])

    def compacted() -> bool:
        topic.send([(b"z", b"rolls the segment")])
        return len(read(topic, planned)) == 2

    eventually(compacted, "the topic is compacted")
    assert planned.end == 9
    assert read(topic, planned) == [(0, 2, b"a", b"old"), (0, 3, b"c", b"old")]
    later = PartitionRange(0, 4, planned.end)
    assert read(topic, later) == []
    whole = topic.whole()
    assert {row[2] for row in read(topic, whole)} == {b"a", b"b", b"c", b"d", b"e", b"z"}


@pytest.mark.parametrize("removed", [1, 50, 99, 100, 150, 200])
def test_offsets_that_retention_has_removed_are_an_error(make_topic: Callable[..., Topic], removed: int) -> None:
    topic = make_topic()
    topic.send(numbered(200))
    topic.delete_records(removed)
    with pytest.raises(ServiceUnavailable, match="no longer has all of offsets 0 to 99 of partition 0.*retention"):
        read(topic, PartitionRange(0, 0, 100))
    kept = PartitionRange(0, removed, 200)
    assert removed == 200 or read(topic, kept) == topic.in_ranges(kept)


def test_offsets_that_retention_removes_while_they_are_read_are_no_gap(
    make_topic: Callable[..., Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_reader, "_RECORD_BATCH_ROWS", 1)
    topic = make_topic()
    topic.send(large(64))
    batches = topic.reader.read([topic.whole()])
    rows = rows_of(itertools.islice(batches, 1))
    topic.delete_records(60)
    with pytest.raises(ServiceUnavailable, match="no longer has all of offsets .* to 63 of partition 0"):
        rows.extend(row for batch in batches for row in rows_of(iter([batch])))
    assert rows == topic.rows[: len(rows)] and len(rows) < 60


@pytest.mark.parametrize("missing", [1, 5, 50])
def test_a_topic_that_ends_before_the_range_is_an_error(make_topic: Callable[..., Topic], missing: int) -> None:
    topic = make_topic()
    topic.send(numbered(20))
    with pytest.raises(ServiceUnavailable, match=r"no longer has all of offsets \d+ to .* of partition 0"):
        read(topic, PartitionRange(0, 5, 20 + missing))


@pytest.mark.parametrize("rows", [10, 30, 50])
def test_another_topic_of_the_same_name_is_an_error(make_topic: Callable[..., Topic], rows: int) -> None:
    """It may be shorter, as long or longer."""
    topic = make_topic()
    topic.send(numbered(30))
    reader, planned = topic.reader, topic.whole()
    assert rows_of(reader.read([planned])) == topic.rows
    topic.remake()
    topic.send(numbered(rows, start=100))
    with pytest.raises((ServiceUnavailable, StreamRefused), match="deleted and recreated"):
        rows_of(reader.read([planned]))


def test_a_topic_that_is_made_again_while_it_is_read_is_an_error(make_topic: Callable[..., Topic]) -> None:
    topic = make_topic()
    topic.send(numbered(30))
    batches = topic.reader.read([topic.whole()])
    assert rows_of(itertools.islice(batches, 1)) == topic.rows
    topic.remake()
    with pytest.raises(StreamRefused, match="deleted and recreated.*netheal topic adopt"):
        next(batches)


def test_a_topic_that_is_gone_is_an_error(make_topic: Callable[..., Topic], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_reader, "_READ_TIMEOUT_S", 2.0)
    topic = make_topic()
    topic.send(numbered(30))
    reader, planned = topic.reader, topic.whole()
    topic.delete()
    with pytest.raises(ServiceUnavailable, match=topic.name):
        rows_of(reader.read([planned]))


def test_a_partition_that_is_new_to_the_consumer(make_topic: Callable[..., Topic]) -> None:
    topic = make_topic()
    topic.send(numbered(30))
    assert read(topic, topic.whole()) == topic.rows
    topic.admin.create_partitions([NewPartitions(topic.name, 3)])[topic.name].result()
    known = topic.admin.list_topics
    eventually(lambda: len(known(topic.name, 10).topics[topic.name].partitions) == 3, "the partitions are there")
    topic.send(numbered(20), 1)
    topic.send(numbered(40), 2)
    assert read(topic, *(topic.whole(at) for at in range(3))) == sorted(topic.rows)


def test_compressed_input_of_all_kinds_in_one_partition(make_topic: Callable[..., Topic]) -> None:
    topic = make_topic()
    kinds = ["lz4", "zstd", "gzip", "snappy", "none"]
    for at, kind in enumerate([*kinds, *reversed(kinds)]):
        values = [(b"%d" % n, bytes([n % 256, at]) * (1 + n % 700)) for n in range(300)]
        topic.send(values, end="abort" if at == 7 else None, compression=kind)
    assert read(topic, topic.whole()) == topic.rows
    middle = PartitionRange(0, 150, 1_250)
    assert read(topic, middle) == topic.in_ranges(middle)
    assert len(topic.rows) == 9 * 300


def test_values_of_all_kinds_and_sizes(make_topic: Callable[..., Topic]) -> None:
    """Also larger than what the consumer asks for at once."""
    topic = make_topic(max_message_bytes=str(MAX_MESSAGE_BYTES))
    pairs: list[Pair] = [(None, None), (b"k", None), (None, b""), (b"", b""), (b"", None), (b"\0", b"\0\xff")]
    pairs += [(None, os.urandom(size)) for size in (4 * MIB - 1, 4 * MIB, 4 * MIB + 1, MAX_MESSAGE_BYTES - 1_000, 7)]
    topic.send(pairs)
    assert [row[2:] for row in read(topic, topic.whole())] == pairs
    assert [row[2:] for row in read(topic, PartitionRange(0, 9, 10))] == pairs[9:10]


@pytest.mark.parametrize(("partitions", "rows"), [(8, [700] * 8), (1, [5_001]), (3, [10, 4_000, 901])])
def test_every_offset_is_read_by_one_of_two_tasks(
    make_topic: Callable[..., Topic], partitions: int, rows: list[int]
) -> None:
    topic = make_topic(partitions=partitions)
    for partition, count in enumerate(rows):
        topic.send(numbered(count), partition)
    pins = BatchPins(topic.name, "id", {"0": 7}, topic.ends(), {}, "v")
    shared = shares(pins, 2)
    read_by = [read(topic, *ranges) for ranges in shared]
    sizes = [len(found) for found in read_by]
    assert len(sizes) == 2 and max(sizes) - min(sizes) <= 1
    assert sorted(row for found in read_by for row in found) == sorted(r for r in topic.rows if r[:2] >= (0, 7))


def test_a_share_that_was_given_up_leaves_nothing_to_the_next(make_topic: Callable[..., Topic]) -> None:
    topic, other = make_topic(partitions=2), make_topic(partitions=2)
    for partition in (0, 1):
        topic.send(large(12), partition)
        other.send(numbered(100), partition)
    servers = topic.servers
    consumer = worker_connections.consumer(servers, {})
    everything = [topic.whole(0), topic.whole(1)]
    nexts = [
        (topic, PartitionRange(0, 0, 3)),
        (topic, PartitionRange(0, 10, 12)),
        (topic, PartitionRange(1, 5, 6)),
        (other, PartitionRange(0, 0, 100)),
        (other, PartitionRange(1, 50, 60)),
    ]
    abandoned = []
    for closed in (True, False):
        for named, planned in nexts:
            batches = topic.reader.read(everything)
            next(batches)
            time.sleep(0.05)  # the consumer fetches ahead
            if not closed:
                abandoned.append(batches)
            del batches
            assert read(named, planned) == named.in_ranges(planned)
    with pytest.raises(ServiceUnavailable, match="no longer has"):
        read(other, PartitionRange(0, 0, 101))
    assert read(other, PartitionRange(0, 99, 100)) == other.in_ranges(PartitionRange(0, 99, 100))
    assert worker_connections.consumer(servers, {}) is consumer, "the consumer is kept from share to share"


def test_a_broker_that_comes_back_gives_every_record_once(
    broker: EmbeddedKafka, make_topic: Callable[..., Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_reader, "_RECORD_BATCH_ROWS", 4)
    topic = make_topic()
    topic.send(large(64))
    batches = topic.reader.read([topic.whole()])
    rows = rows_of(itertools.islice(batches, 1))
    broker.kill()
    broker.start()
    rows += rows_of(batches)
    assert rows == topic.rows


def test_a_broker_that_stays_away_is_a_clear_error(
    broker: EmbeddedKafka, make_topic: Callable[..., Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_reader, "_READ_TIMEOUT_S", 2.0)
    topic = make_topic(partitions=2)
    topic.send(large(40))
    topic.send(numbered(20), 1)
    reader, planned = topic.reader, topic.whole()
    broker.kill()
    try:
        expected = f"Kafka gave nothing of topic {topic.name} for 2 s, where offset 0 of partition 0 comes next"
        with pytest.raises(ServiceUnavailable, match=expected):
            rows_of(reader.read([planned]))
    finally:
        broker.start()
    monkeypatch.undo()
    assert read(topic, planned) == topic.in_ranges(planned)
