"""A message holds what the row held: the same numbers, words and tokens, and nothing for nothing."""

import json
import math

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from netheal.records.encode import encode_rows

CELLS = {
    "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
    " real": st.none() | st.floats(),
    "word": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    'odd "name"\n': st.none() | st.booleans(),
}
TYPES = {"whole": pa.int64(), " real": pa.float64(), "word": pa.string(), 'odd "name"\n': pa.bool_()}


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries(CELLS), max_size=20))
def test_a_message_reads_back_as_its_row(rows: list[dict[str, object]]) -> None:
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()})
    messages = encode_rows(table)
    assert len(messages) == len(rows)
    for message, row in zip(messages, rows, strict=True):
        assert b"\n" not in message
        present = {name: row[name] for name in TYPES if row[name] is not None}
        assert repr(json.loads(message)) == repr(present)


def test_infinity_and_nan_are_tokens_and_null_is_left_out() -> None:
    table = pa.table({"a": [math.inf, -math.inf, math.nan, 0.1, None], "b": [1, 2, 3, 4, 5]})
    expected = [
        b'{"a":Infinity,"b":1}',
        b'{"a":-Infinity,"b":2}',
        b'{"a":NaN,"b":3}',
        b'{"a":0.1,"b":4}',
        b'{"b":5}',
    ]
    assert encode_rows(table) == expected


def test_a_single_precision_number_is_the_double_it_is() -> None:
    (message,) = encode_rows(pa.table({"a": pa.array([0.1], pa.float32())}))
    assert json.loads(message)["a"] == 0.10000000149011612


def test_columns_without_any_value_and_other_types() -> None:
    table = pa.table({"none": pa.nulls(1), "when": pa.array([0], pa.timestamp("ms")), "n": pa.array([3], pa.int8())})
    assert encode_rows(table) == [b'{"when":"1970-01-01 00:00:00.000","n":3}']


def test_no_rows_are_no_messages() -> None:
    assert encode_rows(pa.table({"a": pa.array([], pa.int64())})) == []
    assert encode_rows(pa.table({"a": pa.nulls(2)})) == [b"{}", b"{}"]
