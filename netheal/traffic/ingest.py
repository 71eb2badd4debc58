"""Flow records that clients hand in, to the input topic: taken apart, produced, and told where they lie.

Nothing is checked here but whether an item is an object: what is in it is for the stream, which quarantines with the
raw bytes and a reason what it cannot use.
"""

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from netheal.contracts.event_id import event_id
from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import idempotent_producer
from netheal.records.strict_parser import MAX_VALUE_BYTES

_BOUND_S = 8.0
_POLL_S = 0.05
_SPACES = re.compile(r"[ \t\n\r]+")
_LINE = re.compile(rb"[^\s][^\n]*")
"""From the first character of a line that is none of space; what is blank before it is passed over at once."""
_FIRST_WINDOW = 16 * 2**10
_CLOSING = '}]"'
_LONGEST_TOKEN = 16
"""Of those that JSON's reader complains of as a whole: `-Infinity`, an escaped character."""
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"|["\[{\]}]', re.DOTALL)
"""What says where an item ends; a quotation mark alone begins a string that has no end."""
_SCALAR = re.compile(r"[^,\]\s]+")
_TOO_LARGE = "too_large"
_SKIM = json.JSONDecoder(parse_int=str, parse_float=str)
"""Finds where items end; numbers stay texts, so that none is too long for it."""


@dataclass(frozen=True)
class RefusedItem:
    """An item that was not sent."""

    index: int
    reason: str


class TooManyItems(ValueError):
    """The body has more items than are taken at once."""


@dataclass
class Items:
    """The items of a body, each with its place in it, and those that are no objects; raises TooManyItems."""

    most: int
    values: list[tuple[int, bytes]] = field(default_factory=list)
    refused: list[RefusedItem] = field(default_factory=list)

    def add(self, index: int, value: bytes) -> None:
        """Take an item as it came."""
        if value.startswith(b"{"):
            self._require_room(index)
            self.values.append((index, value))
        else:
            self.refuse(index, "not_an_object")

    def refuse(self, index: int, reason: str) -> None:
        """Leave an item out."""
        self._require_room(index)
        self.refused.append(RefusedItem(index, reason))

    def _require_room(self, index: int) -> None:
        if index >= self.most:
            raise TooManyItems(f"there are more than {self.most} items")


def array_items(text: str, most: int) -> Items:
    """The items of a JSON array, each as the text it came as; raises ValueError where it is none."""
    items, at, index = Items(most), _skip(text, 0), 0
    if text[at : at + 1] != "[":
        raise ValueError("the body is no JSON array")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]" or index:
        end = _item_end(text, at, index)
        if end is None:
            end = _end_by_brackets(text, at, index)
            items.refuse(index, _TOO_LARGE)
        else:
            items.add(index, text[at:end].encode())
        at, index = _skip(text, end), index + 1
        separator = text[at : at + 1]
        if separator == "]":
            break
        if separator != ",":
            raise ValueError(f"no comma after item {index - 1}")
        at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise ValueError("there is more behind the array")
    return items


def line_items(body: bytes, most: int) -> Items:
    """The lines of newline-delimited JSON, each as it came; blank ones are none."""
    items = Items(most)
    for index, line in enumerate(_LINE.finditer(body)):
        items.add(index, line[0].rstrip())
    return items


def _skip(text: str, at: int) -> int:
    return at + len(found[0]) if (found := _SPACES.match(text, at)) else at


def _item_end(text: str, at: int, index: int) -> int | None:
    """Where the JSON value ends that begins at `at`; None where that is longer than any message of the stream.

    Python's objects take 30 times the room of the text they are made of, so they are made of windows that grow, up
    to the length of the longest message that the stream takes.
    """
    size = _FIRST_WINDOW
    while True:
        window = text[at : at + size]
        is_cut = at + size < len(text)
        try:
            _, end = _SKIM.raw_decode(window)
        except RecursionError:
            raise ValueError(f"item {index} is nested too deeply") from None
        except json.JSONDecodeError as error:
            if not (is_cut and _comes_of_cut(error, size)):
                raise ValueError(f"item {index} is no JSON: {error.msg}, at character {at + error.pos}") from error
        else:
            # Of a number that goes on behind the window (1.5e+|3) the beginning is one, too.
            if not is_cut or window[end - 1] in _CLOSING or end < size - len("e+"):
                return at + end
        if size > MAX_VALUE_BYTES:
            return None
        size = min(4 * size, MAX_VALUE_BYTES + 1)


def _end_by_brackets(text: str, at: int, index: int) -> int:
    """Where an item ends that is too long to be read: by its brackets and strings alone, in one pass."""
    if text[at] not in '{["':
        return at + len(found[0]) if (found := _SCALAR.match(text, at)) else at
    depth = 0
    for token in _BRACKET_OR_STRING.finditer(text, at):
        first = text[token.start()]
        if first == '"' and token.end() - token.start() == 1:
            break
        depth += 1 if first in "{[" else -1 if first in "}]" else 0
        if depth == 0:
            return token.end()
    raise ValueError(f"item {index} does not end")


def _comes_of_cut(error: json.JSONDecodeError, size: int) -> bool:
    """Whether the text may be sound, and only ends too early."""
    return error.msg.startswith("Unterminated string") or error.pos > size - _LONGEST_TOKEN


class TrafficProducer:
    """One producer for all threads of a process, made at the first use."""

    def __init__(self, bootstrap_servers: str, options: Mapping[str, str], bound_s: float = _BOUND_S) -> None:
        self._servers = bootstrap_servers
        self._options = options
        self._bound_s = bound_s
        self._lock = threading.Lock()
        self._producer: Producer | None = None

    def send(
        self, topic: str, values: Sequence[tuple[int, bytes]], offset_base: int
    ) -> tuple[list[int], list[RefusedItem]]:
        """Event ids of the values in their order, and those that Kafka does not take at all (too large).

        Comes back when the broker has acknowledged each. Raises ServiceUnavailable where it does not in time: some
        may then be in the topic, so that sending again may repeat them.
        """
        producer = self._connected()
        receipts = _Receipts(len(values))
        refused = []
        deadline = time.monotonic() + self._bound_s
        for position, (index, value) in enumerate(values):
            if not self._produced(producer, topic, value, partial(receipts.deliver, position), deadline):
                receipts.skip(position)
                refused.append(RefusedItem(index, _TOO_LARGE))
        while receipts.open:
            if time.monotonic() > deadline + 1:
                raise ServiceUnavailable(f"the broker acknowledged {receipts.taken} of {len(values)} rows in time")
            producer.poll(_POLL_S)
        if receipts.error is not None:
            raise ServiceUnavailable(
                f"the broker took {receipts.taken} of {len(values)} rows: {receipts.error.str()}; send again later"
            )
        places = [place for place in receipts.places if place is not None]
        return [event_id(partition, offset, offset_base) for partition, offset in places], refused

    def _produced(self, producer: Producer, topic: str, value: bytes, deliver: Any, deadline: float) -> bool:
        while True:
            try:
                producer.produce(topic, value, on_delivery=deliver)
                return True
            except BufferError:
                if time.monotonic() > deadline:
                    raise ServiceUnavailable("the broker takes no more rows: send again later") from None
                producer.poll(_POLL_S)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    return False
                raise ServiceUnavailable(f"Kafka does not take rows: {error.args[0].str()}") from error

    def _connected(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = idempotent_producer(
                    self._servers, self._options, linger_ms=5, delivery_timeout_ms=int(self._bound_s * 1000)
                )
            return self._producer


class _Receipts:
    """What became of the messages of one call; callbacks may come in any thread that polls."""

    def __init__(self, count: int) -> None:
        self.open = count
        self.taken = 0
        self.error: KafkaError | None = None
        self.places: list[tuple[int, int] | None] = [None] * count
        self._lock = threading.Lock()

    def deliver(self, position: int, error: KafkaError | None, message: Message) -> None:
        """Called by the producer."""
        with self._lock:
            self.open -= 1
            if error is not None:
                self.error = error
                return
            self.taken += 1
            self.places[position] = (message.partition() or 0, message.offset() or 0)

    def skip(self, position: int) -> None:
        """A message that was not produced."""
        with self._lock:
            self.open -= 1
