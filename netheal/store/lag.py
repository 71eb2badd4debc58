"""How far the stream is behind: rows that wait, and since when the oldest of them does."""

from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Consumer

from netheal.kafka.offsets import Offsets
from netheal.kafka.topics import end_offsets, first_records
from netheal.store.database import Connection, transaction
from netheal.store.topics import done_offsets, lag_rows

_MS_PER_S = 1_000


@dataclass(frozen=True)
class Lag:
    """Rows of the input topic that are not in every sink yet; when the oldest was recorded, None for none."""

    rows: int
    oldest_at: datetime | None = None

    @property
    def oldest_age_s(self) -> float:
        """Seconds since the oldest was recorded, by this machine's clock; 0 for none."""
        return 0.0 if self.oldest_at is None else max(0.0, (datetime.now(UTC) - self.oldest_at).total_seconds())


def waiting_rows(connection: Connection, consumer: Consumer, topic: str, timeout_s: float) -> int:
    """Rows that are not in every sink yet; raises ServiceUnavailable where a service does not answer in time."""
    return lag_rows(*_ends_and_done(connection, consumer, topic, timeout_s))


def read_lag(connection: Connection, consumer: Consumer, topic: str, timeout_s: float) -> Lag:
    """The same with the age of the oldest: reads one record of each partition that has rows which wait."""
    ends, done = _ends_and_done(connection, consumer, topic, timeout_s)
    waiting = {partition: done.get(partition, 0) for partition, end in ends.items() if end > done.get(partition, 0)}
    oldest = _first_recorded_at(consumer, topic, waiting, timeout_s) if waiting else None
    return Lag(lag_rows(ends, done), oldest)


def _ends_and_done(connection: Connection, consumer: Consumer, topic: str, timeout_s: float) -> tuple[Offsets, Offsets]:
    # Where the topic ends is read last, so that a lag of 0 says that everything was done.
    with transaction(connection) as cursor:
        done = done_offsets(cursor, topic)
    return end_offsets(consumer, topic, timeout_s), done


def _first_recorded_at(consumer: Consumer, topic: str, starts: Offsets, timeout_s: float) -> datetime | None:
    """The least timestamp among the first records at or after these offsets; None where none has one."""
    times = [message.timestamp() for message in first_records(consumer, topic, starts, timeout_s)]
    times_ms = [time_ms for kind, time_ms in times if kind and time_ms >= 0]
    return datetime.fromtimestamp(min(times_ms) / _MS_PER_S, UTC) if times_ms else None
