"""What a consumer gives that is not of the range, or not yet, is neither taken nor passed over."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from jobs.stages import range_reader, worker_connections
from jobs.stages.partition_ranges import PartitionRange
from jobs.stages.range_reader import RangeReader
from netheal.errors import ServiceUnavailable

READER = RangeReader("flows", "id", "broker:9092", {"sasl.password": "secret"})


@dataclass(frozen=True)
class Record:
    """A message of the consumer; `size` is that of its value."""

    at: tuple[int, int]
    failure: int | None = None
    size: int = 2

    def __len__(self) -> int:
        return self.size

    def error(self) -> KafkaError | None:
        return None if self.failure is None else KafkaError(self.failure)

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000

    def key(self) -> None:
        return None

    def value(self) -> bytes:
        return b"{}"


@dataclass
class Consumer:
    """Gives what it was made with, whatever is assigned. `high`: the end of each partition, as its leader has it."""

    given: list[list[Any]]
    high: int = 0
    assigned: list[tuple[int, int]] = field(default_factory=list)

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = [(place.partition, place.offset) for place in places]

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        done = {place.partition for place in places}
        assert done <= {partition for partition, _ in self.assigned}
        self.assigned = [place for place in self.assigned if place[0] not in done]

    def consume(self, _count: int, _timeout_s: float) -> list[Record]:
        if not self.given:
            return []
        return [one if isinstance(one, Record) else Record(one) for one in self.given.pop(0)]

    def get_watermark_offsets(self, _place: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return 0, self.high


def offsets(monkeypatch: pytest.MonkeyPatch, consumer: Consumer, *ranges: PartitionRange) -> list[tuple[int, int]]:
    """Partition and offset of what is read."""
    monkeypatch.setattr(worker_connections, "consumer", lambda *_: consumer)
    monkeypatch.setattr(worker_connections, "admin", lambda *_: None)
    monkeypatch.setattr(range_reader, "read_topic_id", lambda *_: "id")
    found: list[Any] = []
    for batch in READER.read(ranges):
        found += zip(batch["partition"].to_pylist(), batch["offset"].to_pylist(), strict=True)
    return found


def test_records_of_other_places_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the range, twice, of another partition, behind the range."""
    given = [[(0, 3), (0, 5), (0, 5)], [], [(7, 6), (0, 4), (0, 6), (0, 7)], [(0, 8), (1, 0), (1, 2), (1, 3)]]
    consumer = Consumer(given)
    read = offsets(monkeypatch, consumer, PartitionRange(0, 5, 8), PartitionRange(1, 0, 2))
    assert read == [(0, 5), (0, 6), (0, 7), (1, 0)]
    assert consumer.assigned == []


def test_a_consumer_that_gives_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_reader, "_READ_TIMEOUT_S", 0.05)
    with pytest.raises(ServiceUnavailable, match="where offset 6 of partition 0, offset 0 of partition 1 comes next"):
        offsets(monkeypatch, Consumer([[(0, 5)]]), PartitionRange(0, 5, 8), PartitionRange(1, 0, 2))


def test_a_reader_does_not_show_its_password() -> None:
    assert "secret" not in repr(READER)


def test_a_replica_that_is_behind_its_leader_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    end_so_far = Record((0, 6), KafkaError._PARTITION_EOF)
    consumer = Consumer([[(0, 5), end_so_far], [(0, 6), (0, 7)]], high=8)
    assert offsets(monkeypatch, consumer, PartitionRange(0, 5, 8)) == [(0, 5), (0, 6), (0, 7)]


def test_a_partition_that_ends_before_the_range_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer([[(0, 5), Record((0, 6), KafkaError._PARTITION_EOF)]], high=6)
    with pytest.raises(ServiceUnavailable, match="no longer has all of offsets 6 to 7 of partition 0"):
        offsets(monkeypatch, consumer, PartitionRange(0, 5, 8))


def test_a_group_that_may_not_be_looked_for_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Record((-1, -1), KafkaError.GROUP_AUTHORIZATION_FAILED)
    assert offsets(monkeypatch, Consumer([[refused], [(0, 5)]]), PartitionRange(0, 5, 6)) == [(0, 5)]


def test_large_records_come_in_batches_that_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_reader, "_RECORD_BATCH_BYTES", 100)
    given = [Record((0, n), size=size) for n, size in enumerate((60, 60, 10, 500, 20))]
    monkeypatch.setattr(worker_connections, "consumer", lambda *_: Consumer([given]))
    monkeypatch.setattr(worker_connections, "admin", lambda *_: None)
    monkeypatch.setattr(range_reader, "read_topic_id", lambda *_: "id")
    read = [batch["offset"].to_pylist() for batch in READER.read([PartitionRange(0, 0, 5)])]
    assert read == [[0, 1], [2, 3], [4]]
