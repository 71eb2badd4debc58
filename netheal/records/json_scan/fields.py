"""What the scan found in the columns of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netheal.records.json_scan.gather import gather
from netheal.records.json_scan.kinds import ABSENT, DECIMAL, TEXT
from netheal.records.json_scan.scan import Bytes, Ints, Names, read_only, scan

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Strings:
    """One column of n cells that may be texts: kinds, where they stand in `data`, numbers (NaN for text)."""

    data: Bytes
    kind: Ints
    begin: Ints
    end: Ints
    number: NDArray[np.float64]

    @property
    def there(self) -> bool:
        """Whether any cell has a value."""
        return bool(self.kind.any())

    def take(self, rows: NDArray[np.intp]) -> "Strings":
        """Those rows alone."""
        return Strings(self.data, self.kind[rows], self.begin[rows], self.end[rows], self.number[rows])

    def array(self) -> pa.Array:
        """Strings as they stand and integers as they are written, as Arrow strings; a decimal number as Python does."""
        offsets = np.zeros(len(self.kind) + 1, np.int32)
        np.cumsum(self.end - self.begin, out=offsets[1:])
        gathered = np.empty(offsets[-1], np.uint8)
        gather(self.data, np.ascontiguousarray(self.begin), offsets, gathered)
        valid = None
        if not self.kind.all():
            valid = pa.py_buffer(np.packbits(self.kind != ABSENT, bitorder="little"))
        parts = [valid, pa.py_buffer(offsets), pa.py_buffer(gathered)]
        texts = pa.Array.from_buffers(pa.string(), len(self.kind), parts)
        decimal = np.flatnonzero(self.kind == DECIMAL)
        if not len(decimal):
            return texts
        cells = texts.to_pylist()
        for row in decimal:
            cells[row] = str(float(self.number[row]))
        return pa.array(cells, pa.string())

    def texts(self) -> list[str | None]:
        """The strings, None where there is none."""
        cells = zip(self.kind.tolist(), self.array().to_pylist(), strict=True)
        return [text if kind == TEXT else None for kind, text in cells]

    def cells(self) -> list[str | float | None]:
        """Each as a string, a number or None."""
        texts = self.array().to_pylist()
        return [
            None if kind == ABSENT else text if kind == TEXT else number
            for kind, text, number in zip(self.kind.tolist(), texts, self.number.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Scanned:
    """What the scan of n messages found: `plain` [n], `numbers` [n, F], and the forms and places of texts."""

    names: Names
    data: Bytes
    plain: BoolArray
    numbers: NDArray[np.float64]
    texts: Ints

    def column(self, field: int) -> Strings:
        """The cells of a field that may be a string."""
        cells = self.texts[:, field - self.names.numbers]
        return Strings(self.data, cells[:, 0], cells[:, 1], cells[:, 2], self.numbers[:, field])

    def first_of(self, fields: Sequence[int]) -> Strings:
        """Of each row the first of these fields that has a value."""
        if len(fields) == 1:
            return self.column(fields[0])
        slots = [field - self.names.numbers for field in fields]
        rows = np.arange(len(self.plain))
        chosen = (self.texts[:, slots, 0] != ABSENT).argmax(axis=1)
        cells = self.texts[rows, np.array(slots)[chosen]]
        return Strings(self.data, cells[:, 0], cells[:, 1], cells[:, 2], self.numbers[rows, np.array(fields)[chosen]])


def scan_messages(names: Names, values: pa.Array) -> Scanned:
    """Scan a binary array of messages that are UTF-8."""
    rows, fields = len(values), len(names.bounds) - 1
    _, offsets, data = values.buffers()
    content = read_only(data or b"", np.uint8)
    found = Scanned(
        names,
        content,
        np.zeros(rows, np.bool_),
        np.full((rows, fields), np.nan),
        np.zeros((rows, fields - names.numbers, 3), np.int32),
    )
    if rows:
        bounds = read_only(offsets, np.int32)[values.offset : values.offset + rows + 1]
        scan(names, content, bounds, found.plain, found.numbers, found.texts)
    return found
