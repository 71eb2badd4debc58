"""The one pass over a batch of messages, compiled: numbers to columns, strings to where they stand.

A message is odd where anything in it is not plain: an escape in a key or in a text that is kept, a known key twice, a
number that is too long or is not settled here, a type that is not the field's, more keys or a deeper nesting than the
limits, or no JSON at all. What its row then holds means nothing: the strict parser reads the message.
"""

from collections.abc import Buffer
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.kinds import INTEGER, ODD, TEXT
from netheal.records.json_scan.skipping import (
    CLOSE_BRACE,
    COLON,
    COMMA,
    OPEN_BRACE,
    QUOTE,
    plain_string_end,
    skip_space,
    value_end,
)
from netheal.records.json_scan.values import MOST_INTEGER_CHARS, read_value

_MOST_KEYS = 512
_FNV, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]


class Names(NamedTuple):
    """The fields that are known, F of them, the first `numbers` of which are never strings.

    Field f is called `text[bounds[f]:bounds[f + 1]]`; `slots` is a hash table of fields, -1 where there is none.
    """

    text: Bytes
    bounds: Ints
    slots: Ints
    numbers: int


def read_only(buffer: Buffer, dtype: type[np.generic]) -> NDArray[Any]:
    """A buffer as an array that nothing writes to: one that could be written is another type, to be compiled for."""
    array = np.frombuffer(buffer, dtype)
    array.flags.writeable = False
    return array


@compiled
def key_hash(data: Bytes, at: int, end: int) -> int:
    """FNV-1a."""
    h = _FNV
    for i in range(at, end):
        h = (h ^ np.uint64(data[i])) * _PRIME
    return h


@compiled
def _find(names: Names, data: Bytes, at: int, end: int) -> int:
    """The field that is called so; -1 where none is."""
    mask = np.uint64(len(names.slots) - 1)
    slot = key_hash(data, at, end) & mask
    while names.slots[slot] >= 0:
        field = names.slots[slot]
        begin = names.bounds[field]
        if names.bounds[field + 1] - begin == end - at and _equal(names.text, begin, data, at, end - at):
            return field
        slot = (slot + np.uint64(1)) & mask
    return -1


@compiled
def _equal(one: Bytes, begin: int, other: Bytes, at: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - no generators in compiled code
        if one[begin + i] != other[at + i]:
            return False
    return True


@compiled(nogil=True)
def scan(
    names: Names, data: Bytes, offsets: Ints, plain: NDArray[np.bool_], numbers: NDArray[np.float64], texts: Ints
) -> None:
    """Read the n messages `data[offsets[row]:offsets[row + 1]]`, which are UTF-8, into what is given:

    `plain` [n], False before: which are not odd. `numbers` [n, F], NaN before. `texts` [n, F - names.numbers, 3],
    0 before: kind, begin and end in `data` of each field that may be a string.
    """
    seen = np.full(len(names.bounds), -1, np.int64)
    usual_begin, usual_length = np.zeros(_MOST_KEYS, np.int64), np.zeros(_MOST_KEYS, np.int64)
    usual_field = np.zeros(_MOST_KEYS, np.int64)
    for row in range(len(plain)):
        at, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        at = skip_space(data, at, end)
        if at >= end or data[np.uintp(at)] != OPEN_BRACE:
            continue
        at = skip_space(data, at + 1, end)
        if at < end and data[np.uintp(at)] == CLOSE_BRACE:
            plain[row] = skip_space(data, at + 1, end) == end
            continue
        for key in range(_MOST_KEYS):
            if at >= end or data[np.uintp(at)] != QUOTE:
                break
            # Messages of one sender have the same keys in the same order: compared, they need not be looked up.
            at += 1
            begin, length = usual_begin[key], usual_length[key]
            usual = length > 0 and at + length <= end
            if usual:
                for i in range(length):
                    if data[np.uintp(begin + i)] != data[np.uintp(at + i)]:
                        usual = False
                        break
            if not usual:
                stop = plain_string_end(data, at, end)
                if stop < 0:
                    break
                length = stop + 1 - at
                usual_begin[key], usual_length[key] = at, length
                usual_field[key] = _find(names, data, at, stop)
            field = usual_field[key]
            at = skip_space(data, at + length, end)
            if at >= end or data[np.uintp(at)] != COLON:
                break
            at = skip_space(data, at + 1, end)
            if at >= end:
                break
            if field < 0:
                at = value_end(data, at, end)
                if at < 0:
                    break
            else:
                # Most numbers are short integers, and a call takes longer than such a number.
                begin, whole = at, np.int64(0)
                while at < end and 48 <= data[np.uintp(at)] <= 57:
                    whole = whole * 10 + np.int64(data[np.uintp(at)]) - 48
                    at += 1
                stop = at
                short = 1 <= at - begin <= MOST_INTEGER_CHARS and at < end and data[np.uintp(at)] == COMMA
                if short and (data[np.uintp(begin)] != 48 or at - begin == 1):
                    kind, number = INTEGER, np.float64(whole)
                else:
                    kind, at, begin, stop, number = read_value(data, begin, end)
                if kind == ODD or seen[field] == row:
                    break
                seen[field] = row
                numbers[row, field] = number
                if field >= names.numbers:
                    slot = field - names.numbers
                    texts[row, slot, 0], texts[row, slot, 1], texts[row, slot, 2] = kind, begin, stop
                elif kind == TEXT:
                    break
            at = skip_space(data, at, end)
            if at >= end:
                break
            if data[np.uintp(at)] == COMMA:
                at = skip_space(data, at + 1, end)
                continue
            plain[row] = data[np.uintp(at)] == CLOSE_BRACE and skip_space(data, at + 1, end) == end
            break
