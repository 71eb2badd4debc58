"""Messages to columns: in bulk where a message is plain, one by one where it is not.

The quick decoder accepts nothing that the strict parser would refuse, and reads the same values; what it refuses,
the strict parser reads, and says what is wrong. A duplicated key means its last value, in both.
"""

import math
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.decoded import DecodedFlows, FloatArray, split_category
from netheal.records.envelope import envelope_table
from netheal.records.reasons import Rejection
from netheal.records.shape import Shape
from netheal.records.strict_parser import MAX_VALUE_BYTES, InvalidMessage, parse_object, read_message
from netheal.records.vocabulary import Vocabulary

_MOST_SHAPES = 64
_ROWS_IN_CACHE = 256
"""Rows whose Python objects fit the processor's cache: decoding 10,000 at once takes nearly twice as long."""


class MessageDecoder:
    """Decodes messages of one vocabulary; making one costs milliseconds, so keep it.

    Messages of one sender have the same keys. A decoder made for just these keys is quicker than one for
    the whole vocabulary; a message that has another set of keys goes to the latter.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._any_keys = Shape.of_all(vocabulary)
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._usual = self._any_keys

    def decode(self, values: pa.Array) -> DecodedFlows:
        """Decode a binary array of n messages; never raises for what a message holds."""
        columns = _Columns(self.vocabulary)
        plain = _plain(values)
        unusual: list[tuple[int, bytes | None]]
        for start in range(0, len(values), _ROWS_IN_CACHE):
            chunk = values.slice(start, _ROWS_IN_CACHE).to_pylist()
            unusual = self._decode_usual(chunk, start, columns) if plain else [*enumerate(chunk, start)]
            if unusual:
                self._decode_each(unusual, columns)
        return columns.decoded()

    def _decode_usual(self, chunk: list[bytes], start: int, columns: "_Columns") -> list[tuple[int, bytes | None]]:
        """Decode what has the usual keys; gives back the rest with its places."""
        shape, decode = self._usual, self._usual.decode
        flows: list[Any] = []
        position: list[int] = []
        unusual: list[tuple[int, bytes | None]] = []
        for at, value in enumerate(chunk, start):
            try:
                flows.append(decode(value))
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                unusual.append((at, value))
            else:
                position.append(at)
        columns.extend(shape, flows, position)
        if len(unusual) > len(flows) or shape is self._any_keys:
            self._learn(chunk)
        return unusual

    def _learn(self, chunk: list[bytes]) -> None:
        """Take the keys of a message in the middle of the chunk for the usual ones, if it has plain ones."""
        try:
            keys = tuple(parse_object(chunk[len(chunk) // 2]))
        except InvalidMessage:
            return
        if keys not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES or not Shape.possible(keys):
                return
            self._shapes[keys] = Shape.of_keys(self.vocabulary, keys)
        self._usual = self._shapes[keys]

    def _decode_each(self, messages: list[tuple[int, bytes | None]], columns: "_Columns") -> None:
        """Decode messages of any keys one by one; the strict parser reads what the quick decoder refuses."""
        flows: list[Any] = []
        position: list[int] = []
        for at, value in messages:
            try:
                flow = self._decode_one(value)
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                try:
                    flow = self._parse_strictly(value)
                except InvalidMessage as refused:
                    columns.rejected.append(Rejection(at, refused.reason, refused.field, refused.detail))
                    continue
            flows.append(flow)
            position.append(at)
        columns.extend(self._any_keys, flows, position)

    def _decode_one(self, value: bytes | None) -> Any:
        """The quick decoder for a message of any keys; raises for what is not plain."""
        if value is None or len(value) > MAX_VALUE_BYTES:
            raise ValueError
        value.decode("utf-8")
        return self._any_keys.decode(value)

    def _parse_strictly(self, value: bytes | None) -> Any:
        return self._any_keys.flow(read_message(value, self.vocabulary))


class _Columns:
    """Flows turned into columns, chunk by chunk, of whatever shapes."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.rejected: list[Rejection] = []
        self._vocabulary = vocabulary
        self._position: list[int] = []
        self._blocks: list[FloatArray] = []
        spellings = chain.from_iterable(vocabulary.envelope.values())
        self._others: dict[str, list[Any]] = {name: [] for name in spellings}
        self._categories: dict[str, list[Any]] = {name: [] for name in vocabulary.categories}

    def extend(self, shape: "Shape", flows: list[Any], position: list[int]) -> None:
        """Append flows of one shape, which stand at `position` in the batch."""
        if not flows:
            return
        width = len(shape.numbers)
        rows = list(map(msgspec.structs.astuple, flows))
        packed = b"".join([shape.pack(*row[:width]) for row in rows])
        block = np.full((len(rows), len(self._vocabulary.numbers)), np.nan)
        block[:, shape.places] = np.frombuffer(packed, dtype=np.float64).reshape(len(rows), width)
        self._blocks.append(block)
        self._position += position
        there = dict(zip(shape.others, zip(*[row[width:] for row in rows], strict=True), strict=False))
        for columns, absent in ((self._others, None), (self._categories, math.nan)):
            for name, column in columns.items():
                column.extend(there[name] if name in there else [absent] * len(rows))

    def decoded(self) -> DecodedFlows:
        """All of it, in the order of the batch."""
        position = np.array(self._position, dtype=np.int64)
        numbers = np.concatenate([np.empty((0, len(self._vocabulary.numbers))), *self._blocks])
        split = {name: split_category(column) for name, column in self._categories.items()}
        matrix = np.column_stack([numbers, *(codes for codes, _ in split.values())])
        categories = {name: texts for name, (_, texts) in split.items()}
        envelope = envelope_table(self._others, self._vocabulary, len(position))
        if (np.diff(position) < 0).any():
            order = np.argsort(position)
            position, matrix, envelope = position[order], matrix[order], envelope.take(pa.array(order))
            categories = {n: t if t is None else [t[at] for at in order] for n, t in categories.items()}
        rejected = sorted(self.rejected, key=attrgetter("position"))
        return DecodedFlows(self._vocabulary, position, matrix, categories, envelope, rejected)


def _plain(values: pa.Array) -> bool:
    """Whether all values are UTF-8 and short enough, so that the quick decoder may be asked without a look at each."""
    if len(values) and (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_VALUE_BYTES:
        return False
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
