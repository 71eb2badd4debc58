"""Messages to columns: in bulk where a message is plain, one by one where it is not.

The quick decoder is strict: what it accepts, the exact second look would accept with the same values;
what it refuses is looked at again. A duplicated key means its last value, in both.
"""

import math
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.exact import MAX_VALUE_BYTES, MessageRefused, parse_object, read_message
from netheal.records.reasons import Rejection
from netheal.records.shape import Shape
from netheal.records.vocabulary import Vocabulary

MAX_PORT = 65535
MAX_ENVELOPE_CHARS = 1024
"""A longer identity is no identity: it would only swell every sink."""
_MOST_SHAPES = 64
_ROWS_IN_CACHE = 256
"""Rows whose Python objects fit the processor's cache: decoding 10,000 at once takes nearly twice as long."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decoded:
    """The messages of a batch that are flow records, as columns.

    `position` int64 [n]: their places in the batch. `matrix` double [n, features of the vocabulary]:
    NaN where a feature is absent or a category came as a string. `categories`: category -> its strings,
    None where it came as a number or not at all (one None for the batch where none came as a string).
    `envelope`: one row a message.
    """

    position: npt.NDArray[np.int64]
    matrix: FloatArray
    categories: dict[str, list[str | None] | None]
    envelope: pa.Table
    rejected: list[Rejection]


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

    def decode(self, values: pa.Array) -> Decoded:
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
        except MessageRefused:
            return
        if keys not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES or not Shape.possible(keys):
                return
            self._shapes[keys] = Shape.of_keys(self.vocabulary, keys)
        self._usual = self._shapes[keys]

    def _decode_each(self, messages: list[tuple[int, bytes | None]], columns: "_Columns") -> None:
        """Decode messages of any keys one by one, with an exact second look at what is refused."""
        flows: list[Any] = []
        position: list[int] = []
        for at, value in messages:
            try:
                flow = self._decode_one(value)
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                try:
                    flow = self._second_look(value)
                except MessageRefused as refused:
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

    def _second_look(self, value: bytes | None) -> Any:
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

    def decoded(self) -> Decoded:
        """All of it, in the order of the batch."""
        position = np.array(self._position, dtype=np.int64)
        numbers = np.concatenate([np.empty((0, len(self._vocabulary.numbers))), *self._blocks])
        split = {name: _split_category(column) for name, column in self._categories.items()}
        matrix = np.column_stack([numbers, *(codes for codes, _ in split.values())])
        categories = {name: texts for name, (_, texts) in split.items()}
        envelope = self._envelope()
        if (np.diff(position) < 0).any():
            order = np.argsort(position)
            position, matrix, envelope = position[order], matrix[order], envelope.take(pa.array(order))
            categories = {n: t if t is None else [t[at] for at in order] for n, t in categories.items()}
        return Decoded(position, matrix, categories, envelope, sorted(self.rejected, key=attrgetter("position")))

    def _envelope(self) -> pa.Table:
        arrays = {}
        for field, spellings in self._vocabulary.envelope.items():
            found = self._others[spellings[0]]
            for name in spellings[1:]:
                column = self._others[name]
                if None in found and column.count(None) < len(found):
                    found = [old if old is not None else new for old, new in zip(found, column, strict=True)]
            kind = pa.int32() if field == "src_port" else pa.string()
            if found.count(None) == len(found):
                arrays[field] = pa.nulls(len(found), kind)
            else:
                arrays[field] = _port_array(found) if field == "src_port" else _text_array(found)
        return pa.table(arrays)


def _plain(values: pa.Array) -> bool:
    """Whether all values are UTF-8 and short enough, so that the quick decoder may be asked without a look at each."""
    if len(values) and (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_VALUE_BYTES:
        return False
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _split_category(column: list[Any]) -> tuple[FloatArray, list[str | None] | None]:
    if str not in set(map(type, column)):
        return np.array(column, dtype=np.float64), None
    texts = [value if isinstance(value, str) else None for value in column]
    codes = [math.nan if isinstance(value, str) else value for value in column]
    return np.array(codes, dtype=np.float64), texts


def _text_array(values: list[Any]) -> pa.Array:
    """Strings as they are, numbers as their text, None as null; cut to MAX_ENVELOPE_CHARS."""
    try:
        texts = pa.array(values, type=pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        texts = pa.array([None if v is None else str(v) for v in values], type=pa.string())
    if (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_ENVELOPE_CHARS:
        texts = pc.utf8_slice_codeunits(texts, 0, MAX_ENVELOPE_CHARS)
    return texts


def _port_array(values: list[Any]) -> pa.Array:
    """Ports 0–65535 as int32, from whole numbers or their text; anything else is null."""
    if not set(map(type, values)) <= {int, type(None)}:
        values = list(map(_whole_number, values))
    inside = [v if v is not None and 0 <= v <= MAX_PORT else None for v in values]
    return pa.array(inside, type=pa.int32())


def _whole_number(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None
