"""Values of JSON that nobody needs, checked as strictly as the rest, compiled. -1 stands for whatever is odd."""

import numpy as np
from numpy.typing import NDArray

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.kinds import ODD
from netheal.records.json_scan.numbers import read_number

Bytes = NDArray[np.uint8]

QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = 123, 125, 91, 93
_MOST_LEVELS = 32
_LITERAL_T, _LITERAL_F, _LITERAL_N = b"true", b"false", b"null"


@compiled(inline="always")
def skip_space(data: Bytes, at: int, end: int) -> int:
    """The next place that is no white space."""
    while at < end and (
        data[np.uintp(at)] == 32 or data[np.uintp(at)] == 10 or data[np.uintp(at)] == 13 or data[np.uintp(at)] == 9
    ):
        at += 1
    return at


@compiled
def plain_string_end(data: Bytes, at: int, end: int) -> int:
    """The quote that ends the string whose text begins at `at`; -1 for an escape, a control character or no end."""
    while at < end and data[np.uintp(at)] != QUOTE:
        if data[np.uintp(at)] < 32 or data[np.uintp(at)] == BACKSLASH:
            return -1
        at += 1
    return at if at < end else -1


@compiled
def literal_end(data: Bytes, at: int, end: int) -> int:
    """Where `true`, `false` or `null` ends."""
    word = _LITERAL_T if data[np.uintp(at)] == 116 else _LITERAL_F if data[np.uintp(at)] == 102 else _LITERAL_N
    if end - at < len(word):
        return -1
    for i in range(len(word)):
        if data[np.uintp(at + i)] != word[i]:
            return -1
    return at + len(word)


@compiled
def _string_end(data: Bytes, at: int, end: int) -> int:
    """Behind the quote that ends the string whose text begins at `at`, escapes and all."""
    while at < end:
        c = data[np.uintp(at)]
        if c == QUOTE:
            return at + 1
        if c < 32:
            return -1
        if c != BACKSLASH:
            at += 1
            continue
        at += 1
        if at >= end:
            return -1
        c = data[np.uintp(at)]
        at += 1
        if c == 117:  # \u
            if end - at < 4:
                return -1
            for i in range(4):
                h = data[np.uintp(at + i)]
                if not (48 <= h <= 57 or 65 <= h <= 70 or 97 <= h <= 102):
                    return -1
            at += 4
        elif c not in (QUOTE, BACKSLASH, 47, 98, 102, 110, 114, 116):  # / b f n r t
            return -1
    return -1


@compiled
def _scalar_end(data: Bytes, at: int, end: int) -> int:
    c = data[np.uintp(at)]
    if c == QUOTE:
        return _string_end(data, at + 1, end)
    if c == 116 or c == 102 or c == 110:
        return literal_end(data, at, end)
    if c == 45 or 48 <= c <= 57:
        kind, behind, _ = read_number(data, at, end)
        return -1 if kind == ODD else behind
    return -1


@compiled
def _key_end(data: Bytes, at: int, end: int) -> int:
    """Behind the colon of the key that begins after white space at `at`."""
    at = skip_space(data, at, end)
    if at >= end or data[np.uintp(at)] != QUOTE:
        return -1
    at = _string_end(data, at + 1, end)
    if at < 0:
        return -1
    at = skip_space(data, at, end)
    return at + 1 if at < end and data[np.uintp(at)] == COLON else -1


@compiled
def value_end(data: Bytes, at: int, end: int) -> int:
    """Behind the value that begins at `at`, of whatever depth up to `_MOST_LEVELS`."""
    objects = np.zeros(_MOST_LEVELS, np.bool_)
    level = 0
    while True:
        at = skip_space(data, at, end)
        if at >= end:
            return -1
        c = data[np.uintp(at)]
        if c in (OPEN_BRACE, OPEN_BRACKET):
            if level == _MOST_LEVELS:
                return -1
            objects[level] = c == OPEN_BRACE
            level += 1
            at = skip_space(data, at + 1, end)
            empty = at < end and data[np.uintp(at)] == (CLOSE_BRACE if c == OPEN_BRACE else CLOSE_BRACKET)
            if not empty:
                if c == OPEN_BRACE:
                    at = _key_end(data, at, end)
                    if at < 0:
                        return -1
                continue
        else:
            at = _scalar_end(data, at, end)
            if at < 0:
                return -1
        # Behind a value, or at the end of an empty container.
        while True:
            if level == 0:
                return at
            at = skip_space(data, at, end)
            if at >= end:
                return -1
            c = data[np.uintp(at)]
            if c == COMMA:
                at += 1
                if objects[level - 1]:
                    at = _key_end(data, at, end)
                    if at < 0:
                        return -1
                break
            if c != (CLOSE_BRACE if objects[level - 1] else CLOSE_BRACKET):
                return -1
            level -= 1
            at += 1
