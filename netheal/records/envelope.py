"""The identity envelope of flow records, as columns."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.vocabulary import Vocabulary

MAX_PORT = 65535
PORT = "src_port"
"""The one field that is a number."""
MAX_ENVELOPE_CHARS = 1024
"""A longer identity is no identity: it would only swell every sink."""


def envelope_table(cells: Mapping[str, list[Any]], vocabulary: Vocabulary, rows: int) -> pa.Table:
    """The envelope of `rows` records, a column each field: strings, and `src_port` as int32.

    `cells` has for each spelling of each field the values as they came, None where it is absent; the first spelling
    that is there counts. A field whose spellings are all features of a contract is null.
    """
    arrays = {}
    for field, spellings in vocabulary.envelope.items():
        found = cells[spellings[0]] if spellings else [None] * rows
        for column in (cells[name] for name in spellings[1:]):
            if None in found and column.count(None) < rows:
                found = [old if old is not None else new for old, new in zip(found, column, strict=True)]
        kind = pa.int32() if field == PORT else pa.string()
        if found.count(None) == rows:
            arrays[field] = pa.nulls(rows, kind)
        else:
            arrays[field] = port_array(found) if field == PORT else _text_array(found)
    return pa.table(arrays)


def _text_array(values: list[Any]) -> pa.Array:
    """Strings as they are, numbers as their text, None as null; cut to MAX_ENVELOPE_CHARS."""
    try:
        texts = pa.array(values, type=pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        texts = pa.array([None if v is None else str(v) for v in values], type=pa.string())
    if (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_ENVELOPE_CHARS:
        texts = pc.utf8_slice_codeunits(texts, 0, MAX_ENVELOPE_CHARS)
    return texts


def port_array(values: list[Any]) -> pa.Array:
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
