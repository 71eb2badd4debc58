"""Stored rows come under the names of the wire, with the strings that they came with."""

import pyarrow as pa

from netheal.contracts import wire_contracts
from netheal.records.stored_columns import wire_columns
from netheal.records.vocabulary import vocabulary

WORDS = vocabulary(wire_contracts())


def test_features_and_envelope_have_their_wire_names_and_what_is_no_part_of_a_row_is_left_out() -> None:
    stored = pa.table({"event_id": [7], "sensor_event_id": ["a"], "flow_bytes_per_s": [1.5], "src_port": [80]})
    table, words = wire_columns(stored, WORDS)
    assert table.to_pylist() == [{"Flow Bytes/s": 1.5, "event_id": "a", "src_port": 80}]
    assert words == {}


def test_a_category_is_a_string_again() -> None:
    stored = pa.table({"service": [3.0, None, 4.0], "service_category": ["http", None, "smtp"]})
    assert wire_columns(stored, WORDS)[0].to_pylist() == [{"service": "http"}, {"service": None}, {"service": "smtp"}]


def test_a_category_that_came_as_a_code_stays_one_beside_strings() -> None:
    stored = pa.table({"service": [3.0, 5.0, None], "service_category": ["http", None, None]})
    table, words = wire_columns(stored, WORDS)
    assert table["service"].to_pylist() == [None, 5.0, None]
    assert words == {0: {"service": "http"}}
