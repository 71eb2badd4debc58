"""Reads a task's share of a micro-batch from Kafka: the planned offsets, and nothing else."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from jobs.stages import worker_connections
from jobs.stages.partition_ranges import PartitionRange
from netheal.contracts.schema import RAW_SCHEMA
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.kafka.topics import read_topic_id
from netheal.store.topics import recreated

_RECORD_BATCH_ROWS = 10_000
_RECORD_BATCH_BYTES = 64 * 2**20
_CONSUME_TIMEOUT_S = 0.1
"""Until a batch that is not full is given: control records count as offsets, but never come."""
_READ_TIMEOUT_S = 60.0
"""For a broker that is away."""
_WATERMARK_TIMEOUT_S = 10.0
_US_PER_MS = 1_000
_MAX_TIMESTAMP_MS = np.iinfo(np.int64).max // _US_PER_MS
_NO_TIMESTAMP_MS = -1
_ABOUT_THE_GROUP = {
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}
"""librdkafka looks for the coordinator of a group that is never joined, and may have no right to it."""
_NOTHING = np.iinfo(np.int64).max, 0
"""What remains of a partition that is done, or was never wanted."""


@dataclass(frozen=True)
class RangeReader:
    """Reads committed records of one topic, the one with this id; picklable. `kafka_options` are librdkafka's."""

    topic: str
    topic_id: str
    bootstrap_servers: str
    kafka_options: dict[str, str]

    def __repr__(self) -> str:
        """Without the options, which may hold a password."""
        return f"RangeReader({self.topic}, {self.bootstrap_servers})"

    def read(self, ranges: Sequence[PartitionRange]) -> Iterator[pa.RecordBatch]:
        """The records of the ranges, of one partition each, in `RAW_SCHEMA`; those of a partition in order.

        Raises ServiceUnavailable where the broker does not give them, and StreamRefused at the end where they may be
        of a topic that was recreated meanwhile.
        """
        consumer = worker_connections.consumer(self.bootstrap_servers, self.kafka_options)
        try:
            yield from _RangeFetch(consumer, self.topic, ranges).batches()
        except KafkaException as error:
            worker_connections.discard_consumer(self.bootstrap_servers)
            raise ServiceUnavailable(f"Kafka does not give records: {error.args[0].str()}") from error
        self._refuse_recreated_topic()

    def _refuse_recreated_topic(self) -> None:
        """An id never comes back: if it is still the same behind the last record, all records were of this topic."""
        admin = worker_connections.admin(self.bootstrap_servers, self.kafka_options)
        current = read_topic_id(admin, self.topic)
        if current != self.topic_id:
            raise StreamRefused(recreated(self.topic, self.topic_id, current))


class _RangeFetch:
    """Fetches the ranges of one share by a consumer that outlives it: what an earlier share left in it is dropped.

    `_remaining` maps a partition that is not done to its next offset and its end.
    """

    def __init__(self, consumer: Consumer, topic: str, ranges: Sequence[PartitionRange]) -> None:
        self._consumer = consumer
        self._topic = topic
        self._remaining: dict[int | None, tuple[int, int]] = {p: (start, end) for p, start, end in ranges}
        consumer.assign([TopicPartition(topic, partition, start) for partition, start, _ in ranges])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Until nothing remains."""
        while self._remaining:
            for records in _bounded(self._accept(self._consume())):
                yield _as_batch(records)

    def _consume(self) -> list[Message]:
        """The next messages, ends of partitions among them; raises ServiceUnavailable where none comes in time."""
        offsets = sum(end - start for start, end in self._remaining.values())
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while time.monotonic() < deadline:
            messages = self._consumer.consume(min(_RECORD_BATCH_ROWS, offsets), _CONSUME_TIMEOUT_S)
            if messages:
                return messages
        missing = ", ".join(f"offset {start} of partition {p}" for p, (start, _) in self._remaining.items())
        told = f"Kafka gave nothing of topic {self._topic} for {_READ_TIMEOUT_S:.0f} s, where {missing} comes next"
        raise ServiceUnavailable(told)

    def _accept(self, messages: list[Message]) -> list[Message]:
        """The records of the ranges among these messages; what remains begins behind them.

        A range is done at its last offset, at a record behind it, or where its partition ends at or behind its end:
        its last offsets may be control records, or of an aborted transaction, or compacted.
        """
        records = []
        for message in messages:
            error, partition, offset = message.error(), message.partition(), message.offset()
            if error is not None and error.code() in _ABOUT_THE_GROUP:
                continue
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise self._failure(error, partition)
            start, end = self._remaining.get(partition, _NOTHING)
            if partition is None or offset is None or offset < start:
                continue
            if offset >= end:
                self._finish(partition)
            elif error is not None:
                self._require_reached(error, partition, end)
            else:
                records.append(message)
                if offset + 1 < end:
                    self._remaining[partition] = offset + 1, end
                else:
                    self._finish(partition)
        return records

    def _require_reached(self, error: KafkaError, partition: int, end: int) -> None:
        """Raise the error where the partition ends before the range: a replica may only be behind its leader."""
        place = TopicPartition(self._topic, partition)
        _, high = self._consumer.get_watermark_offsets(place, timeout=_WATERMARK_TIMEOUT_S)
        if high < end:
            raise self._failure(error, partition)

    def _finish(self, partition: int) -> None:
        del self._remaining[partition]
        self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])

    def _failure(self, error: KafkaError, partition: int | None) -> Exception:
        start, end = self._remaining.get(partition, _NOTHING)
        if start >= end or error.code() not in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET):
            return KafkaException(error)
        return ServiceUnavailable(
            f"topic {self._topic} no longer has all of offsets {start} to {end - 1} of partition {partition}, which are"
            " still to be scored: retention removed them, the broker lost them, or the topic was deleted and recreated"
        )


def _bounded(records: list[Message]) -> Iterator[list[Message]]:
    """The same in order, in lists of so many bytes that a worker holds them several times over."""
    begin = size = 0
    for place, message in enumerate(records):
        size += len(message)
        if size > _RECORD_BATCH_BYTES:
            yield records[begin : place + 1]
            begin, size = place + 1, 0
    if begin < len(records):
        yield records[begin:]


def _as_batch(records: list[Message]) -> pa.RecordBatch:
    times = np.array([_milliseconds(message) for message in records], np.int64)
    columns = [
        [message.partition() for message in records],
        [message.offset() for message in records],
        np.clip(times, -_MAX_TIMESTAMP_MS, _MAX_TIMESTAMP_MS) * _US_PER_MS,
        [message.key() for message in records],
        [message.value() for message in records],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


def _milliseconds(message: Message) -> int:
    kind, milliseconds = message.timestamp()
    return milliseconds if kind else _NO_TIMESTAMP_MS
