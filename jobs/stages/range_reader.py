"""Reads ranges of offsets by a consumer of our own: for a batch that Spark's Kafka source cannot read.

Spark turns a record's time into microseconds as it reads, and fails the whole task where that overflows.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from netheal.contracts.schema import RAW_SCHEMA
from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import topic_reader

RANGES_SCHEMA = StructType(
    [
        StructField("partition", IntegerType(), nullable=False),
        StructField("start", LongType(), nullable=False),
        StructField("end", LongType(), nullable=False),
    ]
)
"""`end` is exclusive."""

_MOST_ROWS = 1_000
"""In one Arrow batch: of rows as long as they may be, a gigabyte."""
_WAIT_S = 1.0
_PATIENCE_S = 60.0
_US_PER_MS = 1_000
_MOST_MS = np.iinfo(np.int64).max // _US_PER_MS
_NO_TIMESTAMP_MS = -1


@dataclass(frozen=True)
class RangeReader:
    """The function that Spark runs before a ScoreTask; picklable. `kafka_options` are librdkafka's."""

    topic: str
    bootstrap_servers: str
    kafka_options: dict[str, str]

    def __repr__(self) -> str:
        """Without the options, which may hold a password."""
        return f"RangeReader({self.topic}, {self.bootstrap_servers})"

    def __call__(self, ranges: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Arrow batches in `RANGES_SCHEMA` in, their committed records in `RAW_SCHEMA` out, in order.

        Raises ServiceUnavailable where the broker does not give them.
        """
        consumer = self._consumer()
        try:
            for batch in ranges:
                for row in batch.to_pylist():
                    yield from self._read(consumer, row["partition"], row["start"], row["end"])
        except KafkaException as error:
            raise ServiceUnavailable(f"Kafka does not give records: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return topic_reader(
            self.bootstrap_servers,
            self.kafka_options,
            auto_offset_reset="error",  # an offset that is gone is to be told, not passed over
            isolation_level="read_committed",
        )

    def _read(self, consumer: Consumer, partition: int, start: int, end: int) -> Iterator[pa.RecordBatch]:
        consumer.assign([TopicPartition(self.topic, partition, start)])
        limit = time.monotonic() + _PATIENCE_S
        while start < end:
            answers = consumer.consume(min(_MOST_ROWS, end - start), _WAIT_S)
            records = [message for message in answers if message.error() is None and _offset(message) < end]
            if answers:
                limit = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > limit:
                raise ServiceUnavailable(f"Kafka gave no record of partition {partition} in {_PATIENCE_S:.0f} s")
            start = _next_offset(answers, start, end)
            if records:
                yield _as_batch(records)


def _offset(message: Message) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def _next_offset(answers: list[Message], start: int, end: int) -> int:
    """Where to go on; at the end of the partition there is nothing left but the marks of transactions."""
    for message in answers:
        error = message.error()
        if error is None:
            start = _offset(message) + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            return end
        else:
            raise KafkaException(error)
    return start


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
