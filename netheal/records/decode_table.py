"""A table to columns: what its rows would give as messages, without writing and reading these.

`decode_table(vocabulary, table, words)` and a `MessageDecoder` of this vocabulary, given `encode_rows(table, words)`,
give the same values to the bit, and reject the same rows for the same reasons.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.decoded import DecodedFlows, FloatArray, split_category
from netheal.records.encode import encode_rows_at, json_columns
from netheal.records.envelope import envelope_table
from netheal.records.reasons import Rejection
from netheal.records.strict_parser import (
    MAX_VALUE_BYTES,
    InvalidMessage,
    read_category,
    read_envelope,
    read_number,
    require_size,
)
from netheal.records.text_cells import NO_WORDS, Words
from netheal.records.vocabulary import Vocabulary

_LONGEST_ESCAPE = len("\\u0000")
_LONGEST_NUMBER = 32


def decode_table(vocabulary: Vocabulary, table: pa.Table, words: Words = NO_WORDS) -> DecodedFlows:
    """Decode the n rows of a table whose columns have names of the wire; others are ignored.

    A feature is a column of numbers; `words` has the cells that are none, as `text_cells.numbers_and_words` gives
    them. A category may also be a column of strings. Null is absent. Never raises for what a cell holds.
    """
    rows = _Rows(json_columns(table.combine_chunks()), words)
    rows.reject_long()
    numbers = np.empty((table.num_rows, len(vocabulary.numbers)))
    for at, name in enumerate(vocabulary.numbers):
        numbers[:, at] = rows.numbers(name)
    categories = {name: rows.categories(name) for name in vocabulary.categories}
    position = np.flatnonzero(rows.good)
    split = {name: split_category([cells[at] for at in position]) for name, cells in categories.items()}
    spellings = (name for names in vocabulary.envelope.values() for name in names)
    envelope = {name: rows.envelope(name) for name in spellings}
    return DecodedFlows(
        vocabulary=vocabulary,
        position=position,
        matrix=np.column_stack([numbers[position], *(codes for codes, _ in split.values())]),
        categories={name: texts for name, (_, texts) in split.items()},
        envelope=envelope_table(envelope, vocabulary, table.num_rows).take(pa.array(position)),
        rejected=sorted(rows.rejected, key=attrgetter("position")),
    )


class _Rows:
    """The rows of a table that are not rejected yet; a row is rejected for its first fault."""

    def __init__(self, table: pa.Table, words: Words) -> None:
        self.good = np.ones(table.num_rows, bool)
        self.rejected: list[Rejection] = []
        self._table = table
        self._absent: list[Any] = [None] * table.num_rows
        self._words = words
        self._words_in: dict[str, dict[int, str]] = {}
        for row, cells in words.items():
            for name, word in cells.items():
                self._words_in.setdefault(name, {})[row] = word

    def reject_long(self) -> None:
        """Reject rows that would be too long as messages."""
        most = np.full(self._table.num_rows, 2)
        for name in self._table.column_names:
            column, key = self._table[name], len(json.dumps(name)) + 2
            if _is_text(column.type):
                most += key + _LONGEST_ESCAPE * pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
            else:
                most += key + _LONGEST_NUMBER
        for row, cells in self._words.items():
            most[row] += _LONGEST_ESCAPE * sum(len(word.encode()) for word in cells.values())
        long: list[int] = np.flatnonzero(most > MAX_VALUE_BYTES).tolist()
        messages = encode_rows_at(self._table, self._words, long)
        for row, message in zip(long, messages, strict=True):
            self._require(row, partial(require_size, message))

    def numbers(self, name: str) -> FloatArray:
        """A feature as doubles [n], NaN where it is absent; rejects rows where it is no number."""
        column, words = self._column(name), self._words_in.get(name, {})
        numeric = not (_is_text(column.type) or pa.types.is_boolean(column.type))
        doubles = pc.fill_null(column.cast(pa.float64(), safe=False), math.nan).to_numpy() if numeric else None
        suspect = column.is_valid().to_numpy(zero_copy_only=False)
        suspect = suspect.copy() if doubles is None else suspect & np.isnan(doubles)
        suspect[list(words)] = True
        for row in np.flatnonzero(suspect & self.good).tolist():
            cell = words[row] if row in words else column[row].as_py()
            self._require(row, partial(read_number, name, cell))
        return np.full(len(column), math.nan) if doubles is None else doubles

    def categories(self, name: str) -> list[str | float]:
        """A category's strings and codes, NaN where it is absent; rejects rows where it is neither."""
        cells = self._cells(name)
        for row, cell in enumerate(cells):
            if (isinstance(cell, bool) or cell != cell) and self.good[row]:
                self._require(row, partial(read_category, name, cell))
        return [math.nan if cell is None else cell for cell in cells]

    def envelope(self, name: str) -> list[str | int | float | None]:
        """A field of the envelope as it came, None where it is absent."""
        cells = self._cells(name)
        return [read_envelope(name, cell) for cell in cells] if self._is_boolean(name) else cells

    def _cells(self, name: str) -> list[Any]:
        if name not in self._table.column_names:
            return self._absent
        cells: list[Any] = self._column(name).to_pylist()
        for row, word in self._words_in.get(name, {}).items():
            cells[row] = word
        return cells

    def _is_boolean(self, name: str) -> bool:
        return name in self._table.column_names and pa.types.is_boolean(self._table[name].type)

    def _column(self, name: str) -> pa.Array:
        if name not in self._table.column_names:
            return pa.nulls(self._table.num_rows, pa.float64())
        return self._table[name].combine_chunks()

    def _require(self, row: int, read: Callable[[], object]) -> None:
        """Reject the row where `read` refuses a cell of it."""
        try:
            read()
        except InvalidMessage as refused:
            self.rejected.append(Rejection(row, refused.reason, refused.field, refused.detail))
            self.good[row] = False


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
