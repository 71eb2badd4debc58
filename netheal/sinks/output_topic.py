"""Prediction messages of a task to the output topic: at least once, keyed by the event."""

from typing import Any

import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from netheal.errors import ServiceUnavailable
from netheal.verdicts.encode import encode_verdicts

_FLUSH_S = 60.0
_ROOM_S = 1.0


class OutputTopicWriter:
    """Produces one message a verdict; done when the broker has acknowledged all of them."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._sent = 0
        self._failure: KafkaError | None = None

    def write(self, verdicts: pa.Table) -> None:
        """Hand the messages of a table in `verdict_schema()` to the producer's queue."""
        values = encode_verdicts(verdicts)
        keys = verdicts["event_id"].cast(pa.string()).to_pylist()
        left: list[dict[str, Any]]
        left = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
        while left:
            self._producer.produce_batch(self._topic, left, on_delivery=self._delivered)
            left = [self._again(message) for message in left if "_error" in message]
            self._check()
            if left:
                self._producer.poll(_ROOM_S)
        self._sent += len(values)

    def receipt(self) -> int:
        """Wait for every acknowledgement; the number of messages. Raises ServiceUnavailable otherwise."""
        waiting = self._producer.flush(_FLUSH_S)
        self._check()
        if waiting:
            self._producer.purge()
            raise ServiceUnavailable(f"the broker acknowledged all but {waiting} messages in {_FLUSH_S:.0f} s")
        return self._sent

    def _again(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message that found the queue full, to be handed over once more."""
        if message["_error"].code() != KafkaError._QUEUE_FULL:
            self._failure = message["_error"]
        return {"key": message["key"], "value": message["value"]}

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise ServiceUnavailable(f"the broker refused a message: {self._failure}") from KafkaException(
                self._failure
            )
