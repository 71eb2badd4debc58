"""Messages to the input topic: as quickly as the broker takes them, or at an even pace."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from netheal.contracts import Contract
from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import idempotent_producer
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.traffic.pace import in_slices, paced

Progress = Callable[[int], None]
"""Called with the number of messages handed over so far, about once a slice."""

_MOST_IN_FLIGHT = 50_000
_DELIVERY_TIMEOUT_S = 30
_UNTIL_STOPPED = 0
"""As a delivery timeout: librdkafka tries for ever."""
_LAST_ACKS_S = 3.0
_POLL_S = 0.05


@dataclass(frozen=True)
class SendReport:
    """What was sent and acknowledged; `bytes` counts message values, without keys and Kafka's framing."""

    sent: int
    bytes: int
    elapsed_s: float

    @property
    def rate_per_s(self) -> float:
        """Messages a second."""
        return self.sent / self.elapsed_s if self.elapsed_s > 0 else 0.0


def send_files(
    paths: Sequence[Path],
    bootstrap_servers: str,
    topic: str,
    rate_per_s: float | None = None,
    options: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    contract: Contract | None = None,
) -> SendReport:
    """Send every row of the flow files, in order, as `send_messages` does.

    The files must have the columns of `contract`, or else of a shipped one.
    Raises SettingsError or ContractError for a file that cannot be read, after what came before it was sent.
    """
    wanted = None if contract is None else (contract,)
    chunks = (encode_rows(table) for path in paths for table in read_flow_file(path, wanted))
    return send_messages(chunks, bootstrap_servers, topic, rate_per_s, options, progress)


def send_messages(
    chunks: Iterable[Sequence[bytes]],
    bootstrap_servers: str,
    topic: str,
    rate_per_s: float | None = None,
    options: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] | None = None,
    stop: threading.Event | None = None,
) -> SendReport:
    """Send the messages of all `chunks` without a key, at `rate_per_s` messages a second if it is given.

    `options` are librdkafka properties; the producer is idempotent with acks=all. Comes back when the
    broker has acknowledged every message. Raises ServiceUnavailable where it refuses one or does not
    answer for 30 s: an unknown part has been sent then.

    With `stop` a broker that is away is waited for, for as long as it takes, until the event is set; then no
    more is sent, and `sent` leaves out what the broker did not acknowledge within a few seconds.
    """
    timeout_s = _DELIVERY_TIMEOUT_S if stop is None else _UNTIL_STOPPED
    outbox = _Outbox(_producer(bootstrap_servers, options, timeout_s), topic, stop)
    start = clock()
    slices = paced(None, rate_per_s, clock, sleep or (time.sleep if stop is None else stop.wait))
    for batch in in_slices(chunks, slices):
        outbox.put(batch)
        if outbox.stopped:
            break
        if progress is not None:
            progress(outbox.sent)
    outbox.finish()
    return SendReport(outbox.sent, outbox.bytes, clock() - start)


def _producer(bootstrap_servers: str, options: Mapping[str, str] | None, timeout_s: int) -> Producer:
    return idempotent_producer(
        bootstrap_servers,
        options,
        linger_ms=10,
        delivery_timeout_ms=timeout_s * 1000,
        queue_buffering_max_messages=2 * _MOST_IN_FLIGHT,
        delivery_report_only_error=True,
    )


class _Outbox:
    """A producer with a bounded number of messages in flight, which raises the first refusal."""

    def __init__(self, producer: Producer, topic: str, stop: threading.Event | None) -> None:
        self.sent = 0
        self.bytes = 0
        self._producer = producer
        self._topic = topic
        self._stop = stop
        self._refusal: KafkaError | None = None

    @property
    def stopped(self) -> bool:
        """Whether no more is to be sent."""
        return self._stop is not None and self._stop.is_set()

    def put(self, messages: Sequence[bytes]) -> None:
        """Hand over `messages`, waiting while too many are in flight; nothing once stopped."""
        while len(self._producer) > _MOST_IN_FLIGHT and not self.stopped:
            self._producer.poll(_POLL_S)
            self._raise_refusal()
        if self.stopped:
            return
        batch: list[dict[str, Any]] = [{"value": message} for message in messages]
        queued = self._producer.produce_batch(self._topic, batch, on_delivery=self._delivered)
        if queued != len(batch):
            failed = next(entry["_error"] for entry in batch if "_error" in entry)
            raise ServiceUnavailable(f"the producer refused a message for {self._topic!r}: {failed}")
        self.sent += len(messages)
        self.bytes += sum(map(len, messages))
        self._producer.poll(0)
        self._raise_refusal()

    def finish(self) -> None:
        """Wait until every message is acknowledged, or, once stopped, for a few seconds."""
        left = self._flush()
        self._raise_refusal()
        if left and self._stop is None:
            raise ServiceUnavailable(f"Kafka did not acknowledge {left} messages to {self._topic!r} in time")
        self.sent -= left

    def _flush(self) -> int:
        """Messages that are left unacknowledged."""
        begun = time.monotonic()
        stopped_at: float | None = None
        while left := self._producer.flush(_POLL_S):
            now = time.monotonic()
            stopped_at = now if stopped_at is None and self.stopped else stopped_at
            if stopped_at is not None and now - stopped_at > _LAST_ACKS_S:
                self._producer.purge()
                return int(left)
            if self._stop is None and now - begun > _DELIVERY_TIMEOUT_S + 5:
                return int(left)
        return 0

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and self._refusal is None:
            self._refusal = error

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            raise ServiceUnavailable(
                f"Kafka did not take a message for {self._topic!r}: {self._refusal.str()}. "
                "See that the broker is up and the topic exists, then send again"
            )
