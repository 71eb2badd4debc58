"""One value of a field that is known, compiled."""

import numpy as np
from numpy.typing import NDArray

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.kinds import ABSENT, DECIMAL, INTEGER, ODD, TEXT
from netheal.records.json_scan.numbers import read_number
from netheal.records.json_scan.skipping import QUOTE, literal_end, plain_string_end

MOST_INTEGER_CHARS = 18


@compiled
def read_value(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int, int, int, float]:
    """The value that begins at `at`: its kind, where it ends, begin and end of its text, its number."""
    c = data[np.uintp(at)]
    if c == QUOTE:
        stop = plain_string_end(data, at + 1, end)
        return (TEXT if stop >= 0 else ODD), stop + 1, at + 1, stop, np.nan
    if c == 110:
        stop = literal_end(data, at, end)
        return (ABSENT if stop >= 0 else ODD), stop, 0, 0, np.nan
    if not (c == 45 or 48 <= c <= 57 or c == 73):
        return ODD, at, 0, 0, np.nan
    kind, stop, number = read_number(data, at, end)
    if kind == ODD:
        return ODD, at, 0, 0, np.nan
    if kind != INTEGER:
        return DECIMAL, stop, at, stop, number
    as_it_stands = stop - at <= MOST_INTEGER_CHARS and not (c == 45 and number == 0)
    return (INTEGER if as_it_stands else ODD), stop, at, stop, number
