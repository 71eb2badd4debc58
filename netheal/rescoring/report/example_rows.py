"""Rows to look at: the first few of each kind by file, line and event id, whatever order they come in."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netheal.rescoring.report.columns import texts

EXAMPLES = 5
"""How many are kept of each kind."""
_TEXT_CHARS = 300

Place = tuple[str, int, int]
"""File, line and event id: rows that were stored by the stream have only this."""


class ExampleRows:
    """For each key at most `EXAMPLES` rows, as JSON objects with the columns asked for that the table has."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._rows: dict[Hashable, dict[Place, dict[str, Any]]] = {}

    def add(self, table: pa.Table, keys: NDArray[np.int64], name_of: Callable[[int], Hashable]) -> None:
        """Offer rows of `table` by number of key [n], -1 for none; `name_of(number)` is the key."""
        chosen = np.flatnonzero(keys >= 0)
        if not len(chosen):
            return
        first = _first_of_each(table, chosen, keys[chosen])
        lines, events = (_numbers(table, name, first).tolist() for name in ("line", "event_id"))
        places = zip(_files(table, first), lines, events, strict=True)
        wanted = [
            (at, name, place)
            for at, name, place in zip(first.tolist(), map(name_of, keys[first].tolist()), places, strict=True)
            if self._wants(name, place)
        ]
        rows = self._documents(table, [at for at, _, _ in wanted]) if wanted else []
        for (_, name, place), row in zip(wanted, rows, strict=True):
            self._keep(name, {place: row})

    def merge(self, other: "ExampleRows") -> None:
        """Offer what the other has."""
        for name, rows in other._rows.items():
            self._keep(name, rows)

    def of(self, name: Hashable) -> list[dict[str, Any]]:
        """Rows of a key."""
        return [row for _, row in sorted(self._rows.get(name, {}).items())]

    def _wants(self, name: Hashable, place: Place) -> bool:
        kept = self._rows.get(name, {})
        return len(kept) < EXAMPLES or place < max(kept)

    def _keep(self, name: Hashable, rows: dict[Place, dict[str, Any]]) -> None:
        every = self._rows.get(name, {}) | rows
        self._rows[name] = {place: every[place] for place in sorted(every)[:EXAMPLES]}

    def _documents(self, table: pa.Table, at: list[int]) -> list[dict[str, Any]]:
        names = [name for name in self._columns if name in table.column_names]
        rows = table.select(names).take(pa.array(at)).to_pylist()
        return [{k: v[:_TEXT_CHARS] if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def _first_of_each(table: pa.Table, chosen: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the chosen rows [k] those that come first of their key [k] by `Place`, at most `EXAMPLES` of each."""
    file = texts(table.select(["file"]).take(pa.array(chosen)), "file")
    rank = {name: at for at, name in enumerate(sorted(name or "" for name in file.values))}
    ranks = file.mapped([rank[name or ""] for name in file.values], np.int64)
    order = np.lexsort((_numbers(table, "event_id", chosen), _numbers(table, "line", chosen), ranks, keys))
    ordered = keys[order]
    turn = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.asarray(chosen[order[turn < EXAMPLES]])


def _files(table: pa.Table, at: NDArray[np.int64]) -> list[str]:
    return [name or "" for name in table["file"].take(pa.array(at)).to_pylist()]


def _numbers(table: pa.Table, name: str, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """A column of integers; null is 0."""
    return np.asarray(table[name].take(pa.array(at)).fill_null(0).to_numpy(), np.int64)
