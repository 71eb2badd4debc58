"""A stored row scored again, through the scorer of the stream, and what differs from what is stored. Pure."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from netheal.contracts import contracts_in_force
from netheal.contracts.event_id import offset_of
from netheal.contracts.schema import TIMESTAMP, verdict_schema_of
from netheal.errors import Conflict
from netheal.healing.policy import Policy
from netheal.records.decode_table import decode_table
from netheal.records.stored_columns import wire_columns
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.verdicts.model_rows import model_rows
from netheal.verdicts.scorer import Origin, Scorer, no_raw_rows

Row = Mapping[str, Any]
_PLACE = ("event_id", "recorded_at", "topic", "partition", "offset", "batch_id")


@dataclass(frozen=True)
class Difference:
    """A column whose stored value is not the one that scoring again gives."""

    column: str
    stored: Any
    rescored: Any


@dataclass(frozen=True)
class Rescoring:
    """What scoring again gave: the columns compared, and those that differ; none where the verdict is bit-equal.

    `rejection` says why the row would be rejected today, empty where it is scored.
    """

    columns: tuple[str, ...]
    differences: tuple[Difference, ...]
    rejection: str = ""

    @property
    def equal(self) -> bool:
        """Whether the stored verdict is bit-equal."""
        return not self.differences and not self.rejection


def stored_table(row: Row, models: Mapping[str, ServedModel]) -> pa.Table:
    """A stored row as a table of one row, with the features of the models; raises Conflict where it is unreadable."""
    schema = verdict_schema_of(contracts_in_force(model.bundle.contract for model in models.values()))
    missing = [name for name in _PLACE if row.get(name) is None]
    if missing:
        raise Conflict(f"the stored row cannot be verified: its column {missing[0]} is empty")
    try:
        return pa.Table.from_pylist([dict(row)], schema)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise Conflict(f"the stored row cannot be verified: its columns have other types ({error})") from error


def score_again(stored: pa.Table, models: Mapping[str, ServedModel], policy: Policy) -> Rescoring:
    """Score one stored row with these models (by contract id) and this policy; raises ModelFailure."""
    contracts = contracts_in_force(model.bundle.contract for model in models.values())
    decoded = decode_table(vocabulary(contracts), *wire_columns(stored, vocabulary(contracts)))
    scored = Scorer(models, policy).score(decoded, _origin(stored), no_raw_rows)
    for found in scored.rejected.to_pylist():
        told = ": ".join(filter(None, (found["reason"], found["field"], found["detail"])))
        return Rescoring((), (), f"scored again, the row is rejected: {told}")
    again, kept = scored.verdicts.to_pylist()[0], stored.to_pylist()[0]
    differences = [Difference(name, kept[name], again[name]) for name in again if not _same(kept[name], again[name])]
    return Rescoring(tuple(again), tuple(differences))


def model_input(stored: pa.Table, model: ServedModel) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What a model gets of a stored row: its features, double [1, n], or [0, n] where it does not take the row."""
    return model_rows(model, *wire_columns(stored, vocabulary([model.bundle.contract]))).matrix


def _origin(stored: pa.Table) -> Origin:
    place = {name: stored[name][0].as_py() for name in _PLACE}
    return Origin(
        topic=place["topic"],
        partition=pa.array([place["partition"]], pa.int32()),
        offset=pa.array([place["offset"]], pa.int64()),
        recorded_at=pa.array([place["recorded_at"]], TIMESTAMP),
        batch_id=place["batch_id"],
        offset_base=offset_of(place["event_id"]) - place["offset"],
    )


def _same(stored: Any, rescored: Any) -> bool:
    """Bit-equal: numbers that compare alike, as 0.0 and -0.0, need not be."""
    if isinstance(stored, float) and isinstance(rescored, float):
        return struct.pack("<d", stored) == struct.pack("<d", rescored)
    return bool(stored == rescored)
