"""The strict parser of one message, for those that the compiled scan leaves: slow, with a reason for each fault."""

import json
import math
from typing import Any

from netheal.records.reasons import RejectionReason
from netheal.records.vocabulary import Vocabulary

MAX_VALUE_BYTES = 1 << 20
_MOST_DIGITS = 4300
"""Digits of an integer that is kept exact: reading more would take quadratic time."""
_DETAIL_CHARS = 200
_JSON_TYPES = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


class InvalidMessage(Exception):
    """One message is not acceptable; becomes a Rejection, never leaves `records`."""

    def __init__(self, reason: RejectionReason, field: str = "", detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.detail = detail[:_DETAIL_CHARS].encode("utf-8", "backslashreplace").decode()


def _parse_int(text: str) -> float | int:
    return int(text) if len(text.removeprefix("-")) <= _MOST_DIGITS else float(text)


_DECODER = json.JSONDecoder(parse_int=_parse_int)


def parse_object(value: bytes | None) -> dict[str, Any]:
    """The JSON object in `value`, the last of duplicated keys winning; raises InvalidMessage with a reason."""
    if value is None or not value.strip():
        raise InvalidMessage(RejectionReason.EMPTY)
    require_size(value)
    try:
        text = value.decode("utf-8").strip(" \t\r\n")
        document, end = _DECODER.raw_decode(text)
    except UnicodeDecodeError as error:
        raise InvalidMessage(RejectionReason.NOT_UTF8, detail=f"byte {error.start}: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise InvalidMessage(RejectionReason.NOT_JSON, detail=f"{error.msg}, at character {error.pos}") from error
    except RecursionError as error:
        raise InvalidMessage(RejectionReason.NOT_JSON, detail="nested too deeply") from error
    if end != len(text):
        raise InvalidMessage(RejectionReason.TRAILING_DATA, detail=f"after character {end}")
    if not isinstance(document, dict):
        raise InvalidMessage(RejectionReason.NOT_AN_OBJECT, detail=f"it is {_JSON_TYPES[type(document)]}")
    return document


def require_size(value: bytes) -> None:
    """Raise InvalidMessage for a message of more than `MAX_VALUE_BYTES`."""
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidMessage(RejectionReason.TOO_LARGE, detail=f"{len(value)} bytes")


def read_number(name: str, value: object) -> float:
    """A feature as a float, NaN where it is null (absent); raises InvalidMessage for what is no number."""
    if value is None:
        return math.nan
    if isinstance(value, dict | list):
        raise InvalidMessage(RejectionReason.NESTED_VALUE, name)
    if isinstance(value, str | bool) or not isinstance(value, int | float):
        raise InvalidMessage(RejectionReason.WRONG_TYPE, name, f"{json.dumps(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if math.isnan(number):
        raise InvalidMessage(RejectionReason.NAN, name)
    return number


def read_category(name: str, value: object) -> float | str:
    """A category as its string, or as its code; raises as `read_number`."""
    return _utf8(name, value) if isinstance(value, str) else read_number(name, value)


def read_envelope(name: str, value: object) -> str | int | float | None:
    """An envelope field as it came, a boolean as JSON writes it; raises InvalidMessage for a nested value."""
    if isinstance(value, dict | list):
        raise InvalidMessage(RejectionReason.NESTED_VALUE, name)
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _utf8(name, value)
    return value if isinstance(value, int | float) else None


def _utf8(name: str, value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidMessage(RejectionReason.NOT_UTF8, name, "a lone surrogate") from error
    return value


def read_message(value: bytes | None, vocabulary: Vocabulary) -> dict[str, Any]:
    """Wire name -> value for every known name that is there; raises InvalidMessage with the first fault."""
    document = parse_object(value)
    known: dict[str, Any] = {}
    for name in vocabulary.numbers:
        if name in document:
            known[name] = read_number(name, document[name])
    for name in vocabulary.categories:
        if name in document:
            known[name] = read_category(name, document[name])
    for names in vocabulary.envelope.values():
        for name in names:
            if name in document:
                known[name] = read_envelope(name, document[name])
    return known
