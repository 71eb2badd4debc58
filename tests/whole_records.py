"""Kafka records as a careless or hostile producer makes them: every part of a record is fuzzed, from a seed."""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netheal.contracts import contract, envelope_spellings
from netheal.traffic.broken import BROKEN, break_message
from netheal.traffic.generator import TrafficGenerator

Header = tuple[str, bytes | None]
NOW_MS = 1_764_165_050_000
_DAY_MS = 86_400_000
_YEAR_10000_MS = 253_402_300_800_000
_PYTHON_YEAR_1_MS = -62_135_596_800_000
_YEAR_2262_MS = 9_214_646_400_000
_US_LIMIT_MS = (2**63 - 1) // 1000
TIMESTAMPS_MS = (
    *(-1, -2, -1000, 1, 999, 1000, NOW_MS // 1000, NOW_MS, NOW_MS * 1000, NOW_MS * 1_000_000),
    *(_YEAR_2262_MS - 1, _YEAR_2262_MS, _YEAR_10000_MS - 1, _YEAR_10000_MS, _PYTHON_YEAR_1_MS - 1, _PYTHON_YEAR_1_MS),
    *(_US_LIMIT_MS, _US_LIMIT_MS + 1, -_US_LIMIT_MS - 1, -_US_LIMIT_MS - 2, 2**63 - 1, -(2**63), 2**53, 2**31, 2**32),
)
"""Limits of the formats that a timestamp goes through, and mistakes in its unit (0 is now to a producer)."""

TEXTS = (
    *("", " ", "\0", "a\0b", "\x01\x1b[31m", "\u202e", "\ufeff", "\ufffe", "é" * 400, "😀" * 300, "x" * 5_000),
    *("null", "NaN", "-1", "1e999", "0x7f", "٣", "'; drop table verdicts; --", "$(touch /x);10.0.0.1", "{src_ip}"),
    *("127.0.0.1", "0.0.0.0/0", "::1", "fe80::1%eth0", "255.255.255.255", "10.0.0.1\n", "10.0.0.1", "2001:db8::1"),
    *("9999-12-31T23:59:60Z", "-0001-01-01", "1970-01-01T00:00:00+99:99", '"},{"ip":"', "\\", "a,b\r\nc\td", "\\N"),
)
SCALARS = (
    *(0, -1, 1, 65_535, 65_536, 2**31, 2**63, 2**64, -(2**63) - 1, 10**300, 10**400, 10**4_299, True, False, None),
    *(0.5, -0.0, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, float("inf"), float("-inf"), float("nan")),
)
ESCAPES = (b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b"1e400", b"-0e999", b'"\\/"')
ODD_VALUES = (
    *(None, b"", b"\0", b" \n", b"{}", b"[]", b"null", b"\xff\xfe", b'{"a":' * 500, b"{" * 3_000, b"\xef\xbb\xbf{}"),
    *(b'{"src_ip": "\xed\xa0\x80"}', b'{"\xf0\x9f\x98\x80": 1}', b'{"": ""}', b'{"a\0": 1}', b'{"field_0": 1}'),
)
_MIB = 1 << 20


@dataclass(frozen=True)
class WholeRecord:
    """All that a producer says of a record but its topic and partition."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]

    @property
    def overflows(self) -> bool:
        """Whether the time does not fit into 64 bits of microseconds."""
        return abs(self.timestamp_ms) > _US_LIMIT_MS


def whole_records(seed: int, count: int) -> list[WholeRecord]:
    """Most of the records have a time of these years; a few in a thousand are as large as a row may be."""
    rng = np.random.default_rng(seed)
    sound = TrafficGenerator(seed, broken_share=0).messages(count)
    return [WholeRecord(_timestamp(rng), _key(rng), _value(rng, message), tuple(_headers(rng))) for message in sound]


def _timestamp(rng: np.random.Generator) -> int:
    kind = rng.random()
    if kind < 0.15:
        return TIMESTAMPS_MS[rng.integers(len(TIMESTAMPS_MS))]
    if kind < 0.16:  # each on a day of its own, for which there is a file
        return int(rng.integers(1, _YEAR_2262_MS))
    if kind < 0.20:
        (any_number,) = struct.unpack(">q", rng.bytes(8))
        return int(any_number >> int(rng.integers(0, 64))) or 1
    return NOW_MS + int(rng.integers(-_DAY_MS, _DAY_MS))


def _key(rng: np.random.Generator) -> bytes | None:
    kind = rng.random()
    if kind < 0.4:
        return None
    if kind < 0.998:
        return rng.bytes(int(rng.integers(0, 24)))
    return rng.bytes(200_000)


def _headers(rng: np.random.Generator) -> Iterator[Header]:
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.3 else 0):
        name = ("", "trace", "é", "x" * 300)[rng.integers(4)]
        yield name, None if rng.random() < 0.3 else rng.bytes(int(rng.integers(0, 40)))


def _value(rng: np.random.Generator, message: bytes) -> bytes | None:
    kind = rng.random()
    if kind < 0.25:
        return message
    if kind < 0.33:
        return ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if kind < 0.38:
        return _wounded(rng, message)
    if kind < 0.382:
        return message[:-1] + b',"note":"' + b"x" * (_MIB + int(rng.integers(-20, 20)) - len(message) - 12) + b'"}'
    try:
        row = json.loads(message)
    except ValueError:
        return message
    return _mutated(rng, row) if isinstance(row, dict) else message


def _mutated(rng: np.random.Generator, row: dict[str, Any]) -> bytes:
    """The row with odd values in its envelope, sometimes in a feature, and sometimes one that JSON's writers avoid."""
    spellings = [name for names in envelope_spellings().values() for name in names]
    for _ in range(int(rng.integers(1, 5))):
        row[spellings[rng.integers(len(spellings))]] = _odd(rng)
    if rng.random() < 0.15:
        features = [*contract("attack/v1").names, *contract("threat/v1").names]
        row[features[rng.integers(len(features))]] = _odd(rng)
    if rng.random() < 0.05:
        row[TEXTS[rng.integers(len(TEXTS))]] = _odd(rng)
    text = json.dumps(row, ensure_ascii=bool(rng.random() < 0.5)).encode()
    if rng.random() < 0.1:
        name = spellings[rng.integers(len(spellings))]
        text = text[:-1] + b', "%s": %s}' % (name.encode(), ESCAPES[rng.integers(len(ESCAPES))])
    return text


def _odd(rng: np.random.Generator) -> Any:
    among: Sequence[Any] = TEXTS if rng.random() < 0.6 else SCALARS
    return among[int(rng.integers(len(among)))]


def _wounded(rng: np.random.Generator, message: bytes) -> bytes:
    if not message or rng.random() < 0.5:
        kind = BROKEN[rng.integers(len(BROKEN))]
        try:
            return break_message(kind, message, contract("threat/v1"), rng)
        except KeyError:  # it has no feature of that contract
            return message
    at = int(rng.integers(len(message)))
    return message[:at] + rng.bytes(int(rng.integers(0, 3))) + message[at + int(rng.integers(0, 3)) :]
