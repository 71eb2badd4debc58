"""Reads a task's share of a micro-batch from Kafka: the planned offsets, and nothing else."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from jobs.stages import worker_connections
from jobs.stages.record_ranges import RecordRange
from netheal.contracts.schema import RAW_SCHEMA
from netheal.errors import ServiceUnavailable

_MOST_ROWS = 10_000
"""In one Arrow batch."""
_WAIT_S = 0.1
"""Until an Arrow batch is given that is not full: as long as the marks of transactions may hold up the end."""
_PATIENCE_S = 60.0
_US_PER_MS = 1_000
_MOST_MS = np.iinfo(np.int64).max // _US_PER_MS
_NO_TIMESTAMP_MS = -1


@dataclass(frozen=True)
class RangeReader:
    """Reads committed records of one topic; picklable. `kafka_options` are librdkafka's."""

    topic: str
    bootstrap_servers: str
    kafka_options: dict[str, str]

    def __repr__(self) -> str:
        """Without the options, which may hold a password."""
        return f"RangeReader({self.topic}, {self.bootstrap_servers})"

    def read(self, ranges: Sequence[RecordRange]) -> Iterator[pa.RecordBatch]:
        """The records of the ranges, of one partition each, in `RAW_SCHEMA`; those of a partition in order.

        Raises ServiceUnavailable where the broker does not give them.
        """
        consumer = worker_connections.consumer(self.bootstrap_servers, self.kafka_options)
        try:
            yield from _Reading(consumer, self.topic, ranges).batches()
        except KafkaException as error:
            worker_connections.forget_consumer(self.bootstrap_servers)
            raise ServiceUnavailable(f"Kafka does not give records: {error.args[0].str()}") from error


class _Reading:
    """One share being read: `left` maps a partition that is not done to its next offset and its end."""

    def __init__(self, consumer: Consumer, topic: str, ranges: Sequence[RecordRange]) -> None:
        self._consumer = consumer
        self._topic = topic
        self._left = {partition: (start, end) for partition, start, end in ranges}
        consumer.assign([TopicPartition(topic, partition, start) for partition, start, _ in ranges])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Until no partition is left."""
        limit = time.monotonic() + _PATIENCE_S
        while self._left:
            wanted = sum(end - at for at, end in self._left.values())
            answers = self._consumer.consume(min(_MOST_ROWS, wanted), _WAIT_S)
            if answers:
                limit = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > limit:
                names = ", ".join(map(str, self._left))
                raise ServiceUnavailable(f"Kafka gave no record of partition {names} in {_PATIENCE_S:.0f} s")
            records = self._accept(answers)
            if records:
                yield _as_batch(records)

    def _accept(self, answers: list[Message]) -> list[Message]:
        """The records within the ranges; takes down where each partition is, and gives up those that are done."""
        records = []
        for message in answers:
            error, partition, offset = message.error(), message.partition(), _offset(message)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if partition is None or partition not in self._left:
                continue
            _, end = self._left[partition]
            if error is not None and offset < end:
                # Behind the last record there is nothing but the marks of transactions, up to the offset of this.
                raise ServiceUnavailable(
                    f"partition {partition} ends at offset {offset}, and the batch at {end}: rows of the topic are lost"
                )
            if error is None and offset < end:
                records.append(message)
            if offset + 1 < end:
                self._left[partition] = offset + 1, end
                continue
            del self._left[partition]
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
        return records


def _offset(message: Message) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def _as_batch(records: list[Message]) -> pa.RecordBatch:
    times = np.array([_milliseconds(message) for message in records], np.int64)
    columns = [
        [message.partition() for message in records],
        [message.offset() for message in records],
        np.clip(times, -_MOST_MS, _MOST_MS) * _US_PER_MS,
        [message.key() for message in records],
        [message.value() for message in records],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


def _milliseconds(message: Message) -> int:
    kind, milliseconds = message.timestamp()
    return milliseconds if kind else _NO_TIMESTAMP_MS
