"""What came out of every sink for the rows of one run, read back from the sinks themselves."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError, TopicPartition
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from netheal.contracts import attack_classes
from netheal.contracts.event_id import Ids, offset_of, partition_of
from netheal.contracts.verdict import NO_CLASS, UNCLASSIFIED, is_attack_class
from netheal.errors import ServiceUnavailable
from netheal.kafka.offsets import Offsets
from netheal.kafka.topics import end_offsets, topic_reader
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import Layout, quarantine_layout, verdicts_layout

_POLL_S = 0.1
_PATIENCE_S = 30.0
_POLL_MESSAGES = 10_000


@dataclass(frozen=True)
class Run:
    """Which rows a run is about: those at or after `start` in the input topic, answered at or after `output_start`."""

    start: Offsets
    output_start: Offsets
    offset_base: int = 0

    def of_run(self, event_ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these events belong to the run."""
        partitions = max([int(p) for p in self.start], default=0) + 1
        first = np.zeros(partitions, dtype=np.int64)
        for partition, offset in self.start.items():
            first[int(partition)] = offset + self.offset_base
        of = partition_of(event_ids)
        of_topic = of < partitions  # rows of uploads are of none
        mine: npt.NDArray[np.bool_] = of_topic & (offset_of(event_ids) >= first[np.where(of_topic, of, 0)])
        return mine


@dataclass(frozen=True)
class Outputs:
    """The output topic's messages of a run: events, and milliseconds from the input record to the output record."""

    event_ids: Ids
    latency_ms: npt.NDArray[np.float64]


class _Seen(msgspec.Struct):
    traffic_data_id: int
    timestamp: str


def delta_column(layout: Layout, root: str, run: Run, column: str | None = None) -> tuple[Ids, list[str]]:
    """Event ids of the run in a Delta table, and a text column beside them."""
    names = ["event_id"] if column is None else ["event_id", column]
    try:
        table = DeltaTable(layout.uri(root)).to_pyarrow_dataset().to_table(columns=names)
    except TableNotFoundError:  # the job was stopped before its first batch
        return np.empty(0, np.int64), []
    ids = table["event_id"].to_numpy()
    mine = run.of_run(ids)
    texts = [] if column is None else table.filter(mine)[column].to_pylist()
    return ids[mine], texts


def postgres_verdicts(connection: Connection, run: Run) -> tuple[Ids, list[str | None]]:
    """Event ids of the run among the serving rows, and the attack class of each that is an attack."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select event_id, case when is_attack then coalesce(attack_class_id, %s) end from verdicts", (NO_CLASS,)
        )
        rows = cursor.fetchall()
    names = attack_classes().names
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    classes = [None if at is None else names[at] if is_attack_class(at) else UNCLASSIFIED for _, at in rows]
    mine = run.of_run(ids)
    return ids[mine], [name for name, keep in zip(classes, mine, strict=True) if keep]


def output_messages(settings: Settings, run: Run) -> Outputs:
    """The run's messages in the output topic, up to where it ends now."""
    reader = topic_reader(settings)
    decode = msgspec.json.Decoder(_Seen).decode
    ids, sent, came = [], [], []
    try:
        for value, timestamp_ms in _messages(reader, settings.stream.output_topic, run.output_start):
            seen = decode(value)
            ids.append(seen.traffic_data_id)
            sent.append(timestamp_ms)
            came.append(seen.timestamp[:-1])
    finally:
        reader.close()
    event_ids = np.array(ids, dtype=np.int64)
    mine = run.of_run(event_ids)
    recorded_ms = np.array(came, dtype="datetime64[ms]").astype(np.int64)
    return Outputs(event_ids[mine], (np.array(sent, dtype=np.float64) - recorded_ms)[mine])


def _messages(reader: Consumer, topic: str, start: Offsets) -> Iterator[tuple[bytes, int]]:
    ends = end_offsets(reader, topic)
    left = {int(p) for p, end in ends.items() if end > start.get(p, 0)}
    reader.assign([TopicPartition(topic, p, start.get(str(p), 0)) for p in left])
    heard = time.monotonic()
    while left:
        # It waits for as many as it is asked for: a short while, or the last ones would cost the whole patience.
        messages = reader.consume(_POLL_MESSAGES, _POLL_S)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > _PATIENCE_S:
            raise ServiceUnavailable(f"the broker gave no message of {topic} for {_PATIENCE_S:.0f} s")
        for message in messages:
            error = message.error()
            if error is None:
                yield message.value() or b"", message.timestamp()[1]
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise ServiceUnavailable(f"cannot read {topic}: {error}")


def verdict_ids(settings: Settings, run: Run) -> Ids:
    """Event ids of the run in Delta `verdicts`."""
    return delta_column(verdicts_layout(), settings.paths.delta_root, run)[0]


def rejected_reasons(settings: Settings, run: Run) -> list[str]:
    """The reason of each row of the run in Delta `quarantine`."""
    return delta_column(quarantine_layout(), settings.paths.delta_root, run, "reason")[1]
