"""One value of a field that is known, compiled."""

import numpy as np
from numpy.typing import NDArray

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.numbers import INTEGER, ODD, read_number
from netheal.records.json_scan.skipping import QUOTE, literal_end, plain_string_end

ABSENT, TEXT, WHOLE, DECIMAL = 0, 1, 2, 3
"""What a value is: null, a string, an integer that Python would write as it stands, another number."""

MOST_WHOLE_CHARS = 18


@compiled
def read_value(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int, int, int, float]:
    """The value that begins at `at`: its form or -1, where it ends, begin and end of its text, its number."""
    c = data[np.uintp(at)]
    if c == QUOTE:
        stop = plain_string_end(data, at + 1, end)
        return (TEXT if stop >= 0 else -1), stop + 1, at + 1, stop, np.nan
    if c == 110:
        stop = literal_end(data, at, end)
        return (ABSENT if stop >= 0 else -1), stop, 0, 0, np.nan
    if not (c == 45 or 48 <= c <= 57 or c == 73):
        return -1, at, 0, 0, np.nan
    kind, stop, number = read_number(data, at, end)
    if kind == ODD:
        return -1, at, 0, 0, np.nan
    if kind != INTEGER:
        return DECIMAL, stop, at, stop, number
    as_it_stands = stop - at <= MOST_WHOLE_CHARS and not (c == 45 and number == 0)
    return (WHOLE if as_it_stands else -1), stop, at, stop, number
