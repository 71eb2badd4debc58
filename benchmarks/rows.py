"""Real flow records as messages, and a backlog of them in the input topic."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, Message, Producer

from netheal.contracts import wire_contracts
from netheal.errors import ServiceUnavailable
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.settings import Settings

CONTRACT = "attack/v1"
FLOWS = Path("cic-ids2017") / "original_90k.parquet"
_START = np.datetime64("2017-07-03T12:00:00.000")
_CHUNK_ROWS = 10_000
_MOST_IN_FLIGHT = 50_000
_FLUSH_S = 60.0


def real_messages(data: Path) -> list[bytes]:
    """Every row of the CIC-IDS2017 sample under `data`: the features of attack/v1 and an envelope, as JSON."""
    names = next(contract.names for contract in wire_contracts() if contract.id == CONTRACT)
    table = pa.concat_tables([chunk.select(names) for chunk in read_flow_file(data / FLOWS)])
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


def repeated(messages: Sequence[bytes], rows: int) -> Iterator[list[bytes]]:
    """`rows` messages in chunks, from the first again after the last."""
    endless = cycle(messages)
    for start in range(0, rows, _CHUNK_ROWS):
        yield list(islice(endless, min(_CHUNK_ROWS, rows - start)))


def produce_backlog(settings: Settings, messages: Sequence[bytes], rows: int) -> None:
    """Put `rows` messages into the input topic, the same number into each partition (one more or less).

    Even partitions make micro-batches of exactly `max_offsets_per_batch` rows. Raises ServiceUnavailable
    where the broker does not take them.
    """
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            refused.append(error)

    partitions = settings.stream.topic_partitions
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 10,
            "log_level": 3,
            "queue.buffering.max.messages": 4 * _MOST_IN_FLIGHT,
            "delivery.report.only.error": True,
        }
    )
    for chunk in repeated(messages, rows):
        for partition in range(partitions):
            batch: list[dict[str, Any]] = [{"value": value} for value in chunk[partition::partitions]]
            producer.produce_batch(settings.stream.input_topic, batch, partition=partition, on_delivery=delivered)
            refused += [entry["_error"] for entry in batch if "_error" in entry]
        while len(producer) > _MOST_IN_FLIGHT:
            producer.poll(0.05)
    left = producer.flush(_FLUSH_S)
    if refused or left:
        raise ServiceUnavailable(f"the broker did not take {len(refused) + left} messages of the backlog")
