"""Rows of a table as JSON messages of the input topic."""

import io
import json
from collections.abc import Mapping
from types import MappingProxyType

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

Words = Mapping[int, Mapping[str, str]]


def encode_rows(table: pa.Table, words: Words = MappingProxyType({})) -> list[bytes]:
    """One JSON object a row, in the table's order, keys in the order of its columns.

    `words`: row -> name -> a string that stands in the message where the table, whose column is one of numbers, has
    null.

    Integers are written as integers, floats as the shortest text that reads back as the same double,
    infinities and NaN as the tokens `Infinity`, `-Infinity`, `NaN`; null cells are left out.
    """
    if table.num_rows == 0:
        return []
    table = _plain(table)
    rows = io.BytesIO()
    pl.DataFrame(table).write_ndjson(rows)
    messages = rows.getvalue().split(b"\n")
    messages.pop()
    _respell(table, words, messages)
    return messages


def _plain(table: pa.Table) -> pa.Table:
    """`table` without columns that are all null, float32 as the double it is, not as its shortest text."""
    for place in range(table.num_columns - 1, -1, -1):
        column, name = table.column(place), table.column_names[place]
        if column.null_count == table.num_rows and table.num_columns > 1:
            table = table.remove_column(place)
        elif pa.types.is_floating(column.type) and column.type != pa.float64():
            table = table.set_column(place, name, column.cast(pa.float64()))
        elif not _is_json(column.type):
            table = table.set_column(place, name, column.cast(pa.string()))
    return table


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
