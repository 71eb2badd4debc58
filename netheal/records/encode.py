"""Rows of a table as JSON messages of the input topic."""

import io
import json
from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.text_cells import NO_WORDS, Words


def encode_rows(table: pa.Table, words: Words = NO_WORDS) -> list[bytes]:
    """One JSON object a row, in the table's order, keys in the order of its columns.

    `words`: row -> name -> a string that stands in the message where the table, whose column is one of numbers, has
    null.

    Integers are written as integers, floats as the shortest text that reads back as the same double,
    infinities and NaN as the tokens `Infinity`, `-Infinity`, `NaN`; null cells are left out.
    """
    if table.num_rows == 0:
        return []
    table = json_columns(_without_empty_columns(table, words))
    rows = io.BytesIO()
    pl.DataFrame(table).write_ndjson(rows)
    messages = rows.getvalue().split(b"\n")
    messages.pop()
    _respell(table, words, messages)
    return messages


def encode_rows_at(table: pa.Table, words: Words, places: Sequence[int]) -> list[bytes]:
    """The messages of `encode_rows` for the rows at these places, in their order, at the cost of these rows."""
    words_there = {at: words[place] for at, place in enumerate(places) if place in words}
    return encode_rows(table.take(pa.array(places, pa.int64())), words_there)


def json_columns(table: pa.Table) -> pa.Table:
    """`table` in the types that a message has: integers, doubles, booleans and strings.

    float32 becomes the double it is, not its shortest text; what JSON has no type for becomes its text.
    """
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_floating(column.type) and column.type != pa.float64():
            table = table.set_column(place, name, column.cast(pa.float64()))
        elif not _is_json(column.type):
            table = table.set_column(place, name, column.cast(pa.string()))
    return table


def _without_empty_columns(table: pa.Table, words: Words) -> pa.Table:
    """The columns that have a value or a word; one at least, so that rows of nothing are rows."""
    of_words = {name for cells in words.values() for name in cells}
    names = [n for n in table.column_names if n in of_words or table[n].null_count < table.num_rows]
    return table.select(names or table.column_names[:1])


def _is_json(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
    )


def _respell(table: pa.Table, words: Words, messages: list[bytes]) -> None:
    """Write again, one by one, the rows in which Polars wrote null for a number, for a word or for nothing."""
    odd = pa.chunked_array([pa.repeat(False, table.num_rows)])
    for column in table.columns:
        if column.null_count:
            odd = pc.or_(odd, pc.is_null(column))
        if pa.types.is_floating(column.type):
            odd = pc.or_(odd, pc.fill_null(pc.invert(pc.is_finite(column)), False))
    places = pc.indices_nonzero(odd)
    for place, row in zip(places.to_pylist(), table.take(places).to_pylist(), strict=True):
        cells = {name: cell for name, cell in (row | words.get(place, {})).items() if cell is not None}
        messages[place] = json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode()
