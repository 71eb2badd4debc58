"""The scan takes nothing that the strict parser refuses, and reads the same values to the bit.

Generated messages start as flow records and are then mutated in their JSON text, so that most of them lie
at the border of what either decoder takes. What only the strict parser takes (NaN and Infinity in fields
that nobody knows, null for an absent feature, lone surrogates in unknown fields) is as it should be.
"""

import json
import re
import struct
from typing import Any

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netheal.contracts import wire_contracts
from netheal.records.decode import MessageDecoder, readable
from netheal.records.decoded import DecodedFlows
from netheal.records.json_scan.fields import scan_messages
from netheal.records.vocabulary import vocabulary

DECODER = MessageDecoder(vocabulary(wire_contracts()))
WORDS = DECODER.vocabulary
SPELLINGS = [name for names in WORDS.envelope.values() for name in names]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+0-9.eE]+|[a-zA-Z]+|\s+|.', re.DOTALL)

digits = st.text("0123456789", min_size=1, max_size=25)
odd_numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["", "-", "+", "--"]),
        st.one_of(digits, st.sampled_from(["", "0", "00", "0x1", "1_0"])),
        st.one_of(st.just(""), digits.map(".{}".format), st.sampled_from([".", ".e", "..1"])),
        st.sampled_from(["", "e", "E5", "e+2", "e-7", "e-400", "e400", "e+", "e1.5", "E-320"]),
        st.sampled_from(["", "", "", "f", "L", " "]),
    ),
    st.integers(1, 6000).map(lambda n: "9" * n),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "nan", "inf", "null", "true", "false", "tru", "1e999"]),
)
escapes = st.one_of(
    st.sampled_from(["\\", "\x00", "\x1f", "\n", "\x7f", "\u2028", "é"]),
    st.sampled_from(['\\"', "\\\\", "\\/", "\\b", "\\q", "\\x41", "\\U0041", "\\u12", "\\u12zz"]),
    st.sampled_from(["\\u0000", "\\u00e9", "\\ud83d\\ude00", "\\ud83d\\u0041", "\\ud800", "\\udc00\\ud800"]),
)
odd_strings = st.lists(st.one_of(escapes, st.text(max_size=4)), max_size=4).map(lambda p: '"' + "".join(p) + '"')
nested = st.recursive(
    st.one_of(odd_numbers, odd_strings),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(st.tuples(odd_strings, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)
names = st.one_of(
    st.sampled_from([*WORDS.numbers, *WORDS.categories]).map(json.dumps),
    st.sampled_from(SPELLINGS).map(json.dumps),
    st.sampled_from(['"\\u0063ount"', '"coun\\u0074"', '"count\\u0000"', '"note"', '""', "count", "null"]),
    odd_strings,
)
plain_numbers = st.one_of(st.floats(0, 1e9).map(repr), st.integers(0, 10**6).map(str))
plain_values = st.one_of(plain_numbers, st.text(max_size=6).map(json.dumps))
space = st.sampled_from(["", "", "", " ", "\n\t", "\r\n", "\x0b", "\u00a0"])
fields = st.builds("{}{}:{}{}".format, space, names, space, st.one_of(plain_values, nested))
objects = st.builds("{}{{{}}}{}".format, space, st.lists(fields, max_size=8).map(",".join), space)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A flow record as JSON text, then up to three wounds."""
    text = draw(objects).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        text = _wounded(draw, text)
    return text


def _wounded(draw: st.DrawFn, text: bytes) -> bytes:
    if not text:
        return text
    at = draw(st.integers(0, len(text) - 1))
    kind = draw(st.sampled_from(["flip", "cut", "drop", "insert", "swap", "repeat"]))
    if kind in ("swap", "repeat"):
        tokens = TOKEN.findall(text)
        one, two = draw(st.integers(0, len(tokens) - 1)), draw(st.integers(0, len(tokens) - 1))
        if kind == "swap":
            tokens[one], tokens[two] = tokens[two], tokens[one]
        else:
            tokens.insert(one, tokens[two])
        return b"".join(tokens)
    changed = {
        "flip": text[:at] + bytes([text[at] ^ (1 << draw(st.integers(0, 7)))]) + text[at + 1 :],
        "cut": text[:at],
        "drop": text[:at] + text[at + 1 :],
        "insert": text[:at] + draw(st.sampled_from([b",", b"}", b"{", b"[", b'"', b"0", b"\x00", b"\xff"])) + text[at:],
    }
    return changed[kind]


def decoded(flows: DecodedFlows) -> tuple[Any, ...]:
    """All of it, floats as their bits, what is absent as one value."""
    texts = {name: cells or [None] * len(flows.position) for name, cells in flows.categories.items()}
    return flows.position.tolist(), flows.matrix.tobytes(), texts, flows.envelope.to_pylist(), flows.rejected


def strictly(batch: list[bytes]) -> DecodedFlows:
    return DECODER._parse_strictly(pa.array(batch, pa.binary()), range(len(batch)))


def is_plain(message: bytes) -> bool:
    values = pa.array([message], pa.binary())
    return bool((scan_messages(DECODER._names, values).plain & readable(values))[0])


@settings(max_examples=1_500, deadline=None)
@given(messages())
@example(b'{"event_id":1234567890123456789}')
@example(b'{"event_id":' + b"9" * 4300 + b"}")
@example(b'{"event_id":-' + b"9" * 4300 + b"}")
@example(b'{"src_ip":"\\ud83d\\ude00"}')
@example(b'{"note":"\\ud800"}')
@example(b'{"note":"\xff"}')
def test_what_the_scan_takes_the_strict_parser_reads_likewise(message: bytes) -> None:
    assert decoded(DECODER.decode(pa.array([message], pa.binary()))) == decoded(strictly([message]))


@settings(max_examples=500, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4))
@example([b'{"count":1,"n\\"ote":2}'])
@example([b'{"count":1,"\\ud800":2}'])
@example([b'{"count":1,"count":2,"note":{"a":[1]}}'])
def test_a_message_is_read_likewise_in_any_company(batch: list[bytes]) -> None:
    """The scan expects the keys of the message before."""
    assert decoded(DECODER.decode(pa.array(batch * 2, pa.binary()))) == decoded(strictly(batch * 2))


def test_the_generated_messages_reach_both_sides_of_the_border() -> None:
    """The property above would hold of nothing if the scan left everything to the strict parser."""
    seen: list[bool] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(messages())
    def look(message: bytes) -> None:
        seen.append(is_plain(message))

    look()
    assert 0.05 < sum(seen) / len(seen) < 0.95


float_texts = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map("{:.40e}".format),
    st.floats(-1e-300, 1e-300).map("{:.800e}".format),
    st.builds("{}.{}e{}".format, st.integers(0, 10**40), digits, st.integers(-345, 300)),
    st.builds("0.{}{}".format, st.integers(0, 400).map(lambda n: "0" * n), digits),
    st.integers(-(10**330), 10**330).map(str),
    st.integers(0, 2**52).map(lambda n: f"{n + 0.5:.1f}{'0' * 60}1"),
    st.builds(
        lambda times, place, zeros: f"{times * 2**64 // 10**place}.{times * 2**64 % 10**place:0{place}d}{'0' * zeros}",
        *(st.integers(1, 9), st.integers(1, 25), st.integers(0, 2)),
    ),
)


@settings(max_examples=3_000, deadline=None)
@given(float_texts)
@example("2.4703282292062327208e-324")
@example("2.4703282292062328e-324")
@example("2.2250738585072011e-308")
@example("1.7976931348623158079e308")
@example("9007199254740993")
@example("9007199254740992.99999999999999999999999999999999999999999999999")
@example("0.500000000000000166533453693773481063544750213623046875")
@example("1.8446744073709551616")
@example("-0.00018446744073709551616e5")
def test_the_scan_reads_a_float_as_python_does(text: str) -> None:
    flows = DECODER.decode(pa.array([f'{{"count":{text}}}'.encode()], pa.binary()))
    assert struct.pack("d", flows.matrix[0, WORDS.place["count"]]) == struct.pack("d", float(text))
