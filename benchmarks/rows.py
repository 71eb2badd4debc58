"""Real flow records as messages, and a backlog of them in the input topic."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, Message

from netheal.contracts import wire_contracts
from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import idempotent_producer
from netheal.kafka.topics import end_offsets, topic_reader
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.settings import Settings

SOURCES = {
    "attack/v1": Path("cic-ids2017") / "original_90k.parquet",
    "threat/v1": Path("nsl-kdd") / "KDDTrain+.txt.gz",
}
"""Contract id -> the file with real rows of it, in the folder of public data."""
_START = np.datetime64("2017-07-03T12:00:00.000")
_CHUNK_ROWS = 10_000
_MOST_IN_FLIGHT = 50_000
_FLUSH_S = 60.0


def real_messages(data: Path, contract_id: str = "attack/v1") -> list[bytes]:
    """Every row of the contract's file under `data`: the contract's features and an envelope, as JSON."""
    contract = next(contract for contract in wire_contracts() if contract.id == contract_id)
    chunks = read_flow_file(data / SOURCES[contract_id], (contract,))
    table = pa.concat_tables([chunk.select(contract.names) for chunk in chunks], promote_options="permissive")
    for name, column in _envelope(table.num_rows).items():
        table = table.append_column(name, column)
    return encode_rows(table)


def _envelope(rows: int) -> dict[str, pa.Array]:
    """Who talked to whom and when, the same at every call; addresses of documentation and private ranges."""
    rng = np.random.default_rng(42)
    hosts = rng.integers(1, 255, size=(rows, 2)).tolist()
    times = _START + np.arange(rows).astype("timedelta64[ms]")
    return {
        "event_id": pa.array([f"flow-{number}" for number in range(rows)]),
        "event_time": pa.array(np.char.add(np.datetime_as_string(times, unit="ms"), "Z").tolist()),
        "sensor_id": pa.array([f"sensor-{number % 3}" for number in range(rows)]),
        "src_ip": pa.array([f"198.51.100.{source}" for source, _ in hosts]),
        "dst_ip": pa.array([f"192.168.10.{target}" for _, target in hosts]),
        "src_port": pa.array(rng.integers(1024, 65536, rows)),
    }


def repeated(messages: Sequence[bytes], rows: int, first: int = 0) -> Iterator[list[bytes]]:
    """`rows` messages in chunks, beginning with number `first`, from the first again after the last."""
    endless = islice(cycle(messages), first % len(messages), None)
    for start in range(0, rows, _CHUNK_ROWS):
        yield list(islice(endless, min(_CHUNK_ROWS, rows - start)))


def produce_backlog(settings: Settings, messages: Sequence[bytes], rows: int, lz4_share: float = 0.0) -> None:
    """Put `rows` messages into the input topic, the same number into each partition (one more or less).

    `lz4_share` of them come from a producer that compresses. Even partitions make micro-batches of exactly
    `max_offsets_per_batch` rows. Raises ServiceUnavailable where the broker does not take them.
    """
    partitions = _partitions(settings)
    plain, compressing = (_Backlog(settings, compression) for compression in ("none", "lz4"))
    for chunk in repeated(messages, rows):
        for partition in range(partitions):
            values = chunk[partition::partitions]
            cut = round(len(values) * lz4_share)
            compressing.put(partition, values[:cut])
            plain.put(partition, values[cut:])
    compressing.finish()
    plain.finish()


def _partitions(settings: Settings) -> int:
    """Of the input topic."""
    reader = topic_reader(settings)
    try:
        return len(end_offsets(reader, settings.stream.input_topic))
    finally:
        reader.close()


class _Backlog:
    """A producer of the backlog, which keeps a bounded number of messages in flight."""

    def __init__(self, settings: Settings, compression: str) -> None:
        self._topic = settings.stream.input_topic
        self._refused: list[KafkaError] = []
        self._producer = idempotent_producer(
            settings.kafka.bootstrap_servers,
            compression_type=compression,
            linger_ms=10,
            queue_buffering_max_messages=4 * _MOST_IN_FLIGHT,
            delivery_report_only_error=True,
        )

    def put(self, partition: int, values: Sequence[bytes]) -> None:
        """Hand over values for one partition."""
        batch: list[dict[str, Any]] = [{"value": value} for value in values]
        self._producer.produce_batch(self._topic, batch, partition=partition, on_delivery=self._delivered)
        self._refused += [entry["_error"] for entry in batch if "_error" in entry]
        while len(self._producer) > _MOST_IN_FLIGHT:
            self._producer.poll(0.05)

    def finish(self) -> None:
        """Wait for every acknowledgement; raises ServiceUnavailable where one is missing."""
        left = self._producer.flush(_FLUSH_S)
        if self._refused or left:
            raise ServiceUnavailable(f"the broker did not take {len(self._refused) + left} messages of the backlog")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(error)
