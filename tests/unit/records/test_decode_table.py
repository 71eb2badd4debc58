"""A table gives what its rows give as messages: the same places, bits, strings, envelope and rejections."""

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netheal.contracts import contract, wire_contracts
from netheal.records.decode import MessageDecoder
from netheal.records.decode_table import decode_table
from netheal.records.decoded import DecodedFlows
from netheal.records.encode import encode_rows
from netheal.records.reasons import Rejection, RejectionReason
from netheal.records.text_cells import NO_WORDS, Words, numbers_and_words
from netheal.records.vocabulary import vocabulary

DECODER = MessageDecoder(vocabulary(wire_contracts()))
WORDS = DECODER.vocabulary
FEATURES = ["count", "src_bytes", "service", "flag", " Destination Port", "Flow Bytes/s"]
SPELLINGS = [
    "src_ip",
    " Source IP",
    "src_port",
    "Src Port",
    "protocol",
    "Protocol",
    "event_id",
    "Flow ID",
    " Timestamp",
]
NAMES = [*FEATURES, *SPELLINGS, "note", "count.1"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def assert_same(table: pa.Table, words: Words = NO_WORDS) -> DecodedFlows:
    found = decode_table(WORDS, table, words)
    expected = DECODER.decode(pa.array(encode_rows(table, words), pa.binary()))
    assert found.rejected == expected.rejected
    assert found.position.dtype == expected.position.dtype
    assert found.position.tolist() == expected.position.tolist()
    assert bits(found.matrix) == bits(expected.matrix)
    assert found.categories == expected.categories
    assert found.envelope.schema == expected.envelope.schema
    assert found.envelope.to_pylist() == expected.envelope.to_pylist()
    return found


def bits(matrix: np.ndarray[Any, Any]) -> list[list[int]]:
    """NaN, which only says that a value is absent, is one."""
    rows: list[list[int]] = np.where(np.isnan(matrix), np.nan, matrix).view(np.int64).tolist()
    return rows


ODD = """many tcp http SF true False NaN nan -nan Infinity -inf +inf INF 1e400 -1e400 1e-400 0x10 1_000 +1 -0 -0.0 80.0
65536 1,5 ½ 9007199254740993 .5 5. 1e5 1E+2 000000000000000000000000000007 " \\""".split()
odd_cells = st.one_of(
    st.sampled_from([*ODD, "", " ", " 7 ", "\t8", "\x00", "9" * 25, "-" + "9" * 400]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    TEXT,
)
plain_cells = st.one_of(st.integers(0, 70_000).map(str), st.floats(0, 1e9).map(repr), st.sampled_from(["http", "SF"]))


@st.composite
def text_tables(draw: st.DrawFn) -> pa.Table:
    """Cells of a CSV: whole columns of numbers, of words, and of both."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    rows = draw(st.integers(0, 8))
    columns = {}
    for name in names:
        cells = draw(st.sampled_from([plain_cells, odd_cells, st.one_of(plain_cells, odd_cells)]))
        column = draw(st.lists(cells, min_size=rows, max_size=rows))
        columns[name] = pa.array([cell or None for cell in column], pa.string())
    return pa.table(columns)


@settings(deadline=None, max_examples=600)
@given(text_tables())
@example(pa.table({"count": ["many", "1", None, "NaN"], "Flow Bytes/s": ["x", "inf", "NaN", "nan"]}))
@example(pa.table({"protocol": ["6", "17.5", "tcp"], "src_port": ["80.0", "http", "-1"]}))
def test_rows_of_text_decode_as_their_messages(table: pa.Table) -> None:
    assert_same(*numbers_and_words(table, WORDS.features))


COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.null(), st.none()),
    (pa.timestamp("us"), st.datetimes(min_value=datetime(1971, 1, 1))),
]


@st.composite
def typed_tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    rows = draw(st.integers(0, 8))
    columns = {}
    for name in names:
        kind, cells = draw(st.sampled_from(COLUMNS))
        column = draw(st.lists(st.none() | cells, min_size=rows, max_size=rows))
        columns[name] = pa.chunked_array([pa.array(column[:3], kind), pa.array(column[3:], kind)])
    return pa.table(columns)


@settings(deadline=None, max_examples=600)
@given(typed_tables())
def test_columns_of_any_type_decode_as_their_messages(table: pa.Table) -> None:
    assert_same(table)


def test_a_bad_cell_spoils_its_row_alone() -> None:
    names = contract("threat/v1").names
    rows = [dict.fromkeys(names, "1") | {"service": "http", "flag": "SF"} for _ in range(4)]
    rows[1]["count"], rows[2]["same_srv_rate"] = "many", "NaN"
    typed, words = numbers_and_words(pa.Table.from_pylist(rows), WORDS.features)
    found = assert_same(typed, words)
    assert found.position.tolist() == [0, 3]
    assert found.rejected == [
        Rejection(1, RejectionReason.WRONG_TYPE, "count", '"many" is not a number'),
        Rejection(2, RejectionReason.NAN, "same_srv_rate"),
    ]


@pytest.mark.parametrize("character", ["x", '"', "\x01", "é", "€"])
@pytest.mark.parametrize("beyond", [-40, -1, 0, 1, 40])
def test_a_row_is_too_large_where_its_message_is(character: str, beyond: int) -> None:
    of_one = len(json.dumps({"src_ip": character}, ensure_ascii=False).encode()) - len('{"src_ip": ""}')
    text = character * ((2**20 - len('{"src_ip":"","count":1}') + beyond) // of_one)
    table = pa.table({"src_ip": [text, "192.0.2.1", None], "count": [1, 2, 3]})
    found = assert_same(table)
    assert [r.reason for r in found.rejected] == ["too_large"] * (len(encode_rows(table)[0]) > 2**20)


def test_a_word_can_be_too_large_as_well() -> None:
    table = pa.table({"count": pa.array([None, None, 2.0]), "service": pa.array([None, 1.0, 2.0])})
    assert_same(table, {0: {"count": "x" * 2**20}})
    assert_same(table, {0: {"service": "x" * 2**19}, 1: {"count": "many"}})


@pytest.mark.parametrize("make", [lambda: pa.table({"count": pa.array([], pa.int64())}), lambda: pa.table({})])
def test_no_rows_are_no_rows(make: Callable[[], pa.Table]) -> None:
    found = decode_table(WORDS, make())
    assert (len(found.position), found.matrix.shape, found.rejected) == (0, (0, len(WORDS.features)), [])


def test_columns_that_mean_nothing_are_ignored() -> None:
    found = decode_table(WORDS, pa.table({"note": ["x", "y"], "count": [1, math.inf]}))
    assert found.matrix[:, WORDS.place["count"]].tolist() == [1, math.inf]
    assert found.rejected == []
