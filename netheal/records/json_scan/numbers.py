"""Decimal numbers to the nearest double, compiled.

The method is that of D. Lemire, "Number Parsing at a Gigabyte per Second" (2021), with the quick path of W. Clinger,
"How to Read Floating Point Numbers Accurately" (1990): what neither settles is left to Python's `float`.
"""

import numpy as np
from numpy.typing import NDArray

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.kinds import DECIMAL, INTEGER, ODD

_LEAST_POWER, _MOST_POWER = -342, 308
_MOST_DIGITS = 19
_MOST_EXPONENT = 9999
_EXACT = 2**53
_EXACT_POWERS = np.array([float(10**power) for power in range(23)])
_MANTISSA_BITS = 52

_U1, _U2, _U3, _U9, _U10, _U32, _U63 = (np.uint64(n) for n in (1, 2, 3, 9, 10, 32, 63))
_LOW32 = np.uint64(2**32 - 1)
_LOW9 = np.uint64(2**9 - 1)
_ALL = np.uint64(2**64 - 1)
_HIDDEN_BIT = np.uint64(1 << _MANTISSA_BITS)
_CARRY = np.uint64(1 << (_MANTISSA_BITS + 1))
_SIGN = np.uint64(1 << 63)


def _powers_of_five() -> NDArray[np.uint64]:
    """The first 128 bits of 5**q for each q, high and low word; of negative powers rounded up."""
    words = np.empty((_MOST_POWER - _LEAST_POWER + 1, 2), np.uint64)
    for q in range(_LEAST_POWER, _MOST_POWER + 1):
        power = 5 ** abs(q)
        if q < 0:
            bits = (power - 1).bit_length()
            shift = bits + 127 if q >= -27 else 2 * bits + 128
            top = (1 << shift) // power + 1
            top >>= max(0, top.bit_length() - 128)
        else:
            length = power.bit_length()
            top = power << (128 - length) if length <= 128 else power >> (length - 128)
        words[q - _LEAST_POWER] = top >> 64, top & (2**64 - 1)
    return words


_POWERS = _powers_of_five()


@compiled(inline="always")
def _product(a: int, b: int) -> tuple[int, int]:
    """The 128 bits of a * b, both of 64: high and low word."""
    a_low, a_high, b_low, b_high = a & _LOW32, a >> _U32, b & _LOW32, b >> _U32
    low, middle, other = a_low * b_low, a_high * b_low, a_low * b_high
    carry = (low >> _U32) + (middle & _LOW32) + (other & _LOW32)
    high = a_high * b_high + (middle >> _U32) + (other >> _U32) + (carry >> _U32)
    return high, a * b


@compiled
def _nearest(w: int, q: int) -> tuple[bool, float]:
    """The double nearest to w * 10**q, w of 64 bits and not 0; False where it takes more to know it."""
    if q < _LEAST_POWER or q > _MOST_POWER:
        return False, 0.0
    shift = np.uint64(0)
    while not (w & _SIGN):
        w = w << _U1
        shift += _U1
    high, low = _product(w, _POWERS[q - _LEAST_POWER, 0])
    if (high & _LOW9) == _LOW9:
        more, _ = _product(w, _POWERS[q - _LEAST_POWER, 1])
        low = low + more
        if low < more:
            high = high + _U1
    if low == _ALL and (q < -27 or q > 55):
        return False, 0.0
    top = high >> _U63
    mantissa = high >> (top + _U9)
    exponent = ((217706 * q) >> 16) + 63 + np.int64(top) - np.int64(shift) + 1023
    if exponent <= 0:
        return False, 0.0
    halfway = low <= _U1 and -4 <= q <= 23 and (mantissa & _U3) == _U1
    if halfway and (mantissa << (top + _U9)) == high:
        mantissa = mantissa & (_ALL ^ _U1)
    mantissa = (mantissa + (mantissa & _U1)) >> _U1
    if mantissa >= _CARRY:
        mantissa = _HIDDEN_BIT
        exponent += 1
    if exponent >= 2047:
        return False, 0.0
    bits = (mantissa & (_HIDDEN_BIT - _U1)) | (np.uint64(exponent) << np.uint64(_MANTISSA_BITS))
    return True, np.uint64(bits).view(np.float64)


@compiled
def read_number(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int, float]:
    """The JSON number that begins at `at`: its kind, where it ends, its value. ODD where it is none, or a long one."""
    begin = at
    negative = data[np.uintp(at)] == 45
    if negative:
        at += 1
    if at >= end:
        return ODD, begin, 0.0
    if data[np.uintp(at)] == 73:
        return _read_infinity(data, at, end, negative)
    w = np.uint64(0)
    digits = 0
    first = at
    while at < end and 48 <= data[np.uintp(at)] <= 57:
        w = w * _U10 + np.uint64(data[np.uintp(at)] - 48)
        at += 1
    length = at - first
    if length == 0 or (length > 1 and data[np.uintp(first)] == 48):
        return ODD, begin, 0.0
    digits = 0 if data[np.uintp(first)] == 48 else length
    q = 0
    kind = INTEGER
    if at < end and data[np.uintp(at)] == 46:
        kind = DECIMAL
        at += 1
        fraction = at
        while at < end and 48 <= data[np.uintp(at)] <= 57:
            w = w * _U10 + np.uint64(data[np.uintp(at)] - 48)
            if digits > 0 or data[np.uintp(at)] != 48:
                digits += 1
            at += 1
        q = fraction - at
        if q == 0:
            return ODD, begin, 0.0
    if at < end and (data[np.uintp(at)] == 101 or data[np.uintp(at)] == 69):
        kind = DECIMAL
        known, at, exponent = _read_exponent(data, at + 1, end)
        if not known:
            return ODD, begin, 0.0
        q += exponent
    if digits > _MOST_DIGITS:
        return ODD, begin, 0.0
    if w == 0:
        return kind, at, (-0.0 if negative and kind == DECIMAL else 0.0)
    if w <= np.uint64(_EXACT) and -22 <= q <= 22:
        value = np.float64(w)
        value = value * _EXACT_POWERS[q] if q >= 0 else value / _EXACT_POWERS[-q]
    else:
        known, value = _nearest(w, q)
        if not known:
            return ODD, begin, 0.0
    return kind, at, (-value if negative else value)


@compiled
def _read_exponent(data: NDArray[np.uint8], at: int, end: int) -> tuple[bool, int, int]:
    minus = at < end and data[np.uintp(at)] == 45
    if at < end and (data[np.uintp(at)] == 45 or data[np.uintp(at)] == 43):
        at += 1
    begin, exponent = at, 0
    while at < end and 48 <= data[np.uintp(at)] <= 57:
        exponent = exponent * 10 + np.int64(data[np.uintp(at)] - 48)
        if exponent > _MOST_EXPONENT:
            return False, at, 0
        at += 1
    return at > begin, at, (-exponent if minus else exponent)


@compiled
def _read_infinity(data: NDArray[np.uint8], at: int, end: int, negative: bool) -> tuple[int, int, float]:
    """What Python's json writes for an infinite number."""
    word = (73, 110, 102, 105, 110, 105, 116, 121)
    if end - at < len(word):
        return ODD, at, 0.0
    for i in range(len(word)):
        if data[np.uintp(at + i)] != word[i]:
            return ODD, at, 0.0
    return DECIMAL, at + len(word), (-np.inf if negative else np.inf)
