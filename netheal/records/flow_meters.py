"""Flow meters that write other columns than the contracts name: told by a file's header.

Their names become the rows' `extractor`, and values in other units are converted as they are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts.spelling import header_key

_EXTRACTOR = "extractor"


@dataclass(frozen=True)
class FlowMeter:
    """A meter of `flow_meters.json`; `factors` by wire names of features."""

    name: str
    has: frozenset[str]
    lacks: frozenset[str]
    factors: Mapping[str, float]

    def wrote(self, headers: Sequence[str]) -> bool:
        """Whether a file with this header is of it."""
        keys = set(map(header_key, headers))
        return self.has <= keys and not self.lacks & keys

    def in_wire_units(self, table: pa.Table) -> pa.Table:
        """The rows in the units of the contracts, and this meter's name as their `extractor` where there is none.

        A cell that is no number stays.
        """
        for place, name in enumerate(table.column_names):
            if name in self.factors:
                table = table.set_column(place, name, _times(table.column(place), self.factors[name]))
        if _EXTRACTOR in table.column_names:
            return table
        return table.append_column(_EXTRACTOR, pa.repeat(pa.scalar(self.name), table.num_rows))


def _times(column: pa.ChunkedArray, factor: float) -> pa.ChunkedArray | pa.Array:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return pc.multiply(column.cast(pa.float64()), factor)
    return pa.array([_text_times(cell, factor) for cell in column.to_pylist()], pa.string())


def _text_times(cell: str | None, factor: float) -> str | None:
    try:
        return cell and repr(float(cell) * factor)
    except ValueError:
        return cell


@cache
def _meters() -> tuple[FlowMeter, ...]:
    text = (files("netheal.contracts") / "data" / "flow_meters.json").read_text("utf-8")
    return tuple(
        FlowMeter(entry["name"], frozenset(entry["has"]), frozenset(entry["lacks"]), entry.get("factors", {}))
        for entry in json.loads(text)["meters"]
    )


def meter_of(headers: Sequence[str]) -> FlowMeter | None:
    """The meter whose columns these are, if it is one of `flow_meters.json`."""
    return next((meter for meter in _meters() if meter.wrote(headers)), None)
