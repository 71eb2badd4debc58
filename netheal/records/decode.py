"""Messages to columns: in bulk where a message is plain, one by one where it is not.

The quick decoder is strict: what it accepts, the exact second look would accept with the same values;
what it refuses is looked at again. A duplicated key means its last value, in both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from struct import Struct
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.exact import MAX_VALUE_BYTES, MessageRefused, read_message
from netheal.records.reasons import Rejection
from netheal.records.vocabulary import Vocabulary

MAX_PORT = 65535
MAX_ENVELOPE_CHARS = 1024
"""A longer identity is no identity: it would only swell every sink."""
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


@dataclass(frozen=True)
class MessageDecoder:
    """Decodes messages of one vocabulary; making one costs milliseconds, so keep it."""

    vocabulary: Vocabulary

    @cached_property
    def _attribute(self) -> dict[str, str]:
        spellings = chain.from_iterable(self.vocabulary.envelope.values())
        names = (*self.vocabulary.numbers, *self.vocabulary.categories, *spellings)
        return {name: f"field_{at}" for at, name in enumerate(names)}

    @cached_property
    def _flow(self) -> type[msgspec.Struct]:
        def kind(name: str) -> tuple[str, Any, Any]:
            if name in self.vocabulary.numbers:
                return self._attribute[name], float, math.nan
            if name in self.vocabulary.categories:
                return self._attribute[name], float | str, math.nan
            return self._attribute[name], str | int | float | None, None

        wire_name = {attribute: name for name, attribute in self._attribute.items()}
        return msgspec.defstruct("Flow", [kind(name) for name in self._attribute], rename=wire_name, gc=False)

    @cached_property
    def _decode_one(self) -> Callable[[bytes], Any]:
        return msgspec.json.Decoder(self._flow).decode

    def _decode_one_checked(self, value: bytes | None) -> Any:
        """For a batch with a value that is not plain, so that what comes of a value never depends on its neighbours."""
        if value is None or len(value) > MAX_VALUE_BYTES:
            raise ValueError
        value.decode("utf-8")
        return self._decode_one(value)

    def _second_look(self, value: bytes | None) -> Any:
        known = read_message(value, self.vocabulary)
        return self._flow(**{self._attribute[name]: entry for name, entry in known.items()})

    def decode(self, values: pa.Array) -> Decoded:
        """Decode a binary array of n messages; never raises for what a message holds."""
        quick = self._decode_one if _plain(values) else self._decode_one_checked
        columns = _Columns(len(self.vocabulary.numbers), len(self._attribute))
        rejected: list[Rejection] = []
        position: list[int] = []
        for start in range(0, len(values), _ROWS_IN_CACHE):
            flows: list[Any] = []
            for at, value in enumerate(values.slice(start, _ROWS_IN_CACHE).to_pylist(), start):
                try:
                    flow = quick(value)
                except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, MessageRefused):
                    try:
                        flow = self._second_look(value)
                    except MessageRefused as refused:
                        rejected.append(Rejection(at, refused.reason, refused.field, refused.detail))
                        continue
                flows.append(flow)
                position.append(at)
            columns.extend(flows)
        return self._decoded(columns, np.array(position, dtype=np.int64), rejected)

    def _decoded(self, columns: "_Columns", position: npt.NDArray[np.int64], rejected: list[Rejection]) -> Decoded:
        column = dict(zip(list(self._attribute)[columns.width :], columns.others, strict=True))
        split = {name: _split_category(column[name]) for name in self.vocabulary.categories}
        matrix = np.column_stack([columns.numbers, *(codes for codes, _ in split.values())])
        categories = {name: texts for name, (_, texts) in split.items()}
        return Decoded(position, matrix, categories, self._envelope(column), rejected)

    def _envelope(self, column: dict[str, list[Any]]) -> pa.Table:
        arrays = {}
        for field, spellings in self.vocabulary.envelope.items():
            found = column[spellings[0]]
            for name in spellings[1:]:
                if None in found and column[name].count(None) < len(found):
                    pairs = zip(found, column[name], strict=True)
                    found = [old if old is not None else new for old, new in pairs]
            arrays[field] = _port_array(found) if field == "src_port" else _text_array(found)
        return pa.table(arrays)


class _Columns:
    """Flows turned into columns: `width` numbers packed as doubles, the other fields as lists."""

    def __init__(self, width: int, fields: int) -> None:
        self.width = width
        self.others: list[list[Any]] = [[] for _ in range(fields - width)]
        self._packed: list[bytes] = []
        self._pack = Struct(f"={width}d").pack

    def extend(self, flows: list[Any]) -> None:
        """Append these flows."""
        rows = list(map(msgspec.structs.astuple, flows))
        self._packed.append(b"".join([self._pack(*row[: self.width]) for row in rows]))
        for column, part in zip(self.others, zip(*[row[self.width :] for row in rows], strict=True), strict=False):
            column.extend(part)

    @property
    def numbers(self) -> FloatArray:
        """Double [n, width]."""
        return np.frombuffer(b"".join(self._packed), dtype=np.float64).reshape(-1, self.width)


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
