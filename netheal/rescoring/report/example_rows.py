"""Rows to look at: the first few of each kind by file and line, whatever order they come in."""

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netheal.rescoring.report.columns import texts

EXAMPLES = 5
"""How many are kept of each kind."""
_TEXT_CHARS = 300


class ExampleRows:
    """For each key at most `EXAMPLES` rows, as JSON objects with the columns asked for that the table has."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._rows: dict[Hashable, list[dict[str, Any]]] = {}

    def add(self, table: pa.Table, keys: NDArray[np.int64], name_of: Any) -> None:
        """Offer rows of `table` by number of key [n], -1 for none; `name_of(number)` is the key.

        A batch's rows of a key are offered by file and line.
        """
        chosen = np.flatnonzero(keys >= 0)
        if not len(chosen):
            return
        ranked = chosen[_by_place(table.select(["file", "line"]).take(pa.array(chosen)))]
        for number in np.unique(keys[chosen]):
            first = ranked[keys[ranked] == number][:EXAMPLES]
            self._offer(name_of(int(number)), self._documents(table, first))

    def merge(self, other: "ExampleRows") -> None:
        """Offer what the other has."""
        for key, rows in other._rows.items():
            self._offer(key, rows)

    def of(self, key: Hashable) -> list[dict[str, Any]]:
        """Rows of a key."""
        return self._rows.get(key, [])

    def _offer(self, key: Hashable, rows: list[dict[str, Any]]) -> None:
        self._rows[key] = sorted([*self._rows.get(key, []), *rows], key=_place)[:EXAMPLES]

    def _documents(self, table: pa.Table, places: NDArray[np.int64]) -> list[dict[str, Any]]:
        names = [name for name in self._columns if name in table.column_names]
        rows = table.select(names).take(pa.array(places)).to_pylist()
        return [dict(_cells(row)) for row in rows]


def _by_place(places: pa.Table) -> NDArray[np.int64]:
    """The order of rows by file and line."""
    file = texts(places, "file")
    rank = {name: at for at, name in enumerate(sorted(name or "" for name in file.values))}
    ranks = file.mapped([rank[name or ""] for name in file.values], np.int64)
    return np.lexsort((places["line"].fill_null(0).to_numpy(), ranks))


def _cells(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        yield name, value[:_TEXT_CHARS] if isinstance(value, str) else value


def _place(row: dict[str, Any]) -> tuple[str, int]:
    return row["file"] or "", row["line"] or 0
