"""What a message may look like: number forms, duplicated keys, envelope spellings, odd neighbours."""

import json
import math
import struct
from typing import Any

import pyarrow as pa
import pytest

from netheal.contracts import envelope_spellings
from netheal.records.decode import MessageDecoder
from netheal.records.decoded import DecodedFlows
from netheal.records.envelope import MAX_ENVELOPE_CHARS

Row = dict[str, Any]
NOT_PLAIN = b"\xff"


def decode(decoder: MessageDecoder, *values: bytes | None) -> DecodedFlows:
    return decoder.decode(pa.array(values, pa.binary()))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.0", -0.0),
        ("7", 7.0),
        ("7.25", 7.25),
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("1e+3", 1000.0),
        ("1.5E-3", 0.0015),
        ("0e9", 0.0),
        ("5e-324", 5e-324),
        ("2e-324", 0.0),
        ("1e-999", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("1e309", math.inf),
        ("-1e309", -math.inf),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("9007199254740993", 9007199254740992.0),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ("0." + "1" * 1000, 1 / 9),
        ("9" * 400, math.inf),
        ("-" + "9" * 5000, -math.inf),
    ],
    ids=lambda value: f"{value:.20}",
)
@pytest.mark.parametrize("neighbour", [b"{}", NOT_PLAIN], ids=["plain", "not plain"])
def test_every_form_of_a_number(decoder: MessageDecoder, text: str, number: float, neighbour: bytes) -> None:
    decoded = decode(decoder, f'{{"count":{text}}}'.encode(), neighbour)
    value = decoded.matrix[0, decoder.vocabulary.place["count"]]
    assert struct.pack("d", value) == struct.pack("d", number)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"count":1,"count":2}', 2.0),
        ('{"count":"x","count":2}', 2.0),
        ('{"count":NaN,"count":2}', 2.0),
        ('{"count":[1],"count":2}', 2.0),
        ('{"count":1,"\\u0063ount":2}', 2.0),
        ('{"count":1,"count":null}', math.nan),
    ],
)
@pytest.mark.parametrize("neighbour", [b"{}", NOT_PLAIN], ids=["plain", "not plain"])
def test_the_last_of_duplicated_keys_counts(decoder: MessageDecoder, text: str, count: float, neighbour: bytes) -> None:
    decoded = decode(decoder, text.encode(), neighbour)
    value = decoded.matrix[0, decoder.vocabulary.place["count"]]
    assert value == count or (math.isnan(value) and math.isnan(count))


def test_a_bad_last_key_is_not_saved_by_a_good_first_one(decoder: MessageDecoder) -> None:
    (rejection,) = decode(decoder, b'{"count":1,"count":"x"}').rejected
    assert (rejection.reason, rejection.field) == ("wrong_type", "count")


@pytest.mark.parametrize(
    "extra",
    [
        '"note": "\\u0000 \\ud83d\\ude00 \\""',
        '"note": {"deep": [[[{"count": "x"}]]], "count": -1}',
        '"note": [1, 2, {"src_ip": []}]',
        '"note": NaN',
        '"note": -Infinity',
        '"note": 1e999',
        '"note": "\\ud800"',
        '"\\ud800": 1',
        '"": true',
        '"Count": "another name"',
        '" count": "another name"',
        '"label": "BENIGN", "Label": null',
        '"note": ' + "9" * 10_000,
        '"note": ' + "[" * 500 + "]" * 500,
    ],
)
@pytest.mark.parametrize("neighbour", [b"{}", NOT_PLAIN], ids=["plain", "not plain"])
def test_unknown_fields_are_ignored_whatever_they_hold(
    decoder: MessageDecoder, threat_row: Row, extra: str, neighbour: bytes
) -> None:
    plain = json.dumps(threat_row)
    decoded = decode(decoder, f"{{{extra}, {plain[1:]}".encode(), plain.encode(), neighbour)
    assert len(decoded.position) >= 2
    assert decoded.matrix[0].tobytes() == decoded.matrix[1].tobytes()


@pytest.mark.parametrize(
    ("field", "spelling"), [(field, name) for field, names in envelope_spellings().items() for name in names]
)
def test_every_spelling_of_the_envelope(decoder: MessageDecoder, field: str, spelling: str) -> None:
    value: Any = 443 if field == "src_port" else "a – b"
    (row,) = decode(decoder, json.dumps({spelling: value}).encode()).envelope.to_pylist()
    assert row == dict.fromkeys(envelope_spellings()) | {field: value}


def test_the_first_spelling_that_is_there_wins(decoder: MessageDecoder) -> None:
    rows = [
        {" Source IP": "192.0.2.2", "src_ip": "192.0.2.1"},
        {" Source IP": "192.0.2.2", "src_ip": None},
        {"Source IP": "192.0.2.3", "Src IP": "192.0.2.4"},
    ]
    decoded = decode(decoder, *(json.dumps(row).encode() for row in rows))
    assert decoded.envelope["src_ip"].to_pylist() == ["192.0.2.1", "192.0.2.2", "192.0.2.4"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"x"', "x"),
        ("17", "17"),
        ("-0", "0"),
        ("1.5", "1.5"),
        ("true", "true"),
        ("null", None),
        ("1234567890123456789", "1234567890123456789"),
        ("18446744073709551616", "18446744073709551616"),
        ("1" * 2000, "1" * MAX_ENVELOPE_CHARS),
        ('"' + "é" * 5000 + '"', "é" * MAX_ENVELOPE_CHARS),
        ('"a\\u0000b"', "a\0b"),
    ],
)
@pytest.mark.parametrize("neighbour", [b'{"event_id":"word"}', b'{"event_id":2}', NOT_PLAIN])
def test_an_identity_is_kept_as_text(decoder: MessageDecoder, text: str, kept: str | None, neighbour: bytes) -> None:
    decoded = decode(decoder, f'{{"event_id":{text}}}'.encode(), neighbour)
    assert decoded.envelope["sensor_event_id"][0].as_py() == kept


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("0", 0),
        ("65535", 65535),
        ("65536", None),
        ("-1", None),
        ('"443"', 443),
        ("443.0", 443),
        ("443.5", None),
        ('"https"', None),
        ("true", None),
        ("null", None),
        ("NaN", None),
        ("Infinity", None),
        ('"nan"', None),
        ("9" * 19, None),
        ("9" * 400, None),
        ("9" * 5000, None),
    ],
)
@pytest.mark.parametrize("neighbour", [b'{"src_port":1}', b'{"src_port":"80"}', NOT_PLAIN])
def test_a_port_is_a_port_or_nothing(decoder: MessageDecoder, text: str, port: int | None, neighbour: bytes) -> None:
    decoded = decode(decoder, f'{{"src_port":{text}}}'.encode(), neighbour)
    assert decoded.envelope["src_port"][0].as_py() == port


def test_positions_are_those_of_the_batch(decoder: MessageDecoder) -> None:
    values = [b'{"count":%d}' % at if at % 3 else b"bad" for at in range(1_000)]
    decoded = decode(decoder, *values)
    assert decoded.position.tolist() == [at for at in range(1_000) if at % 3]
    assert decoded.matrix[:, decoder.vocabulary.place["count"]].tolist() == decoded.position.tolist()
    assert [r.position for r in decoded.rejected] == list(range(0, 1_000, 3))
