"""Which cells of a table of text are numbers in a message, and which are words."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts import Feature, envelope_spellings

Words = Mapping[int, Mapping[str, str]]
"""Row -> name -> its cell, a word in a column of numbers, where the table has null."""
NO_WORDS: Words = MappingProxyType({})

_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)$"


def numbers_and_words(table: pa.Table, features: Iterable[Feature]) -> tuple[pa.Table, Words]:
    """`table`, under wire names, with what is a number in a message as numbers, and the words among them.

    A word is null in the table; a column that has words only stays one of strings.
    """
    numbers = {feature.name for feature in features}
    numbers |= set(envelope_spellings()["src_port"]) | set(envelope_spellings()["protocol"])
    words: dict[int, dict[str, str]] = {}
    for place, name in enumerate(table.column_names):
        if name not in numbers or _is_number(table.schema.field(place).type):
            continue
        column = pc.utf8_trim_whitespace(table.column(place).cast(pa.string()))
        column = pc.if_else(pc.equal(column, ""), None, column)
        typed = _as_numbers(column)
        if typed is None:
            is_number = pc.match_substring_regex(column, _NUMBER, ignore_case=True)
            if not pc.any(is_number).as_py():
                table = table.set_column(place, name, column)
                continue
            for row in pc.indices_nonzero(pc.invert(is_number)).to_pylist():
                words.setdefault(row, {})[name] = column[row].as_py()
            typed = _mixed_as_numbers(pc.if_else(is_number, column, None))
        table = table.set_column(place, name, typed)
    return table, words


def _is_number(kind: pa.DataType) -> bool:
    return not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """int64 or else double; None where a cell is no number. Double first: Arrow's integers may be 0x10."""
    try:
        doubles = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return doubles


def _mixed_as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The same of cells that are numbers for Python, which Arrow need not read: +1, say."""
    typed = _as_numbers(column)
    if typed is not None:
        return typed
    return pa.array([None if cell is None else float(cell) for cell in column.to_pylist()], pa.float64())
