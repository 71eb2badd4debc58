"""One unit of a run: its rows scored and written to Delta parts, which nobody sees until the run commits them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts import Contract, contracts_in_force
from netheal.errors import ContractError, NethealError, SettingsError
from netheal.healing.policy import Policy, parse_policy
from netheal.host.disk import write_error
from netheal.records.decode_table import decode_table
from netheal.records.reasons import Rejection, RejectionReason
from netheal.records.vocabulary import Vocabulary, vocabulary
from netheal.rescoring.chunks import RowChunk, chunks
from netheal.rescoring.layouts import COMPARED_COLUMNS, rescored_rejected_layout, rescored_verdicts_layout
from netheal.rescoring.plan import RunPlan, Unit
from netheal.scoring.model import ServedModel
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import Layout, Part
from netheal.verdicts.scorer import Columns, Origin, RawRows, ScoredBatch, Scorer, rejected_rows

_OTHER = "other_"
_WIDTH = "more or fewer cells than the header"


@dataclass(frozen=True)
class UnitReceipt:
    """What is to be committed of a unit.

    `error`: why its file ended early; what came before counts. `failure`: why there is nothing to be committed.
    """

    unit: Unit
    verdicts: list[Part] = field(default_factory=list)
    rejected: list[Part] = field(default_factory=list)
    error: str | None = None
    failure: str | None = None

    @property
    def verdict_rows(self) -> int:
        """How many rows were scored."""
        return sum(part.rows for part in self.verdicts)

    @property
    def rejected_rows(self) -> int:
        """How many rows were rejected."""
        return sum(part.rows for part in self.rejected)


@dataclass(frozen=True)
class UnitScorer:
    """Scores units of a plan; `models` has those of the plan by bundle hash."""

    plan: RunPlan
    models: Mapping[str, ServedModel]
    output: str

    def __call__(self, unit: Unit) -> UnitReceipt:
        """Score and write one unit; never raises NethealError or OSError: the receipt says what failed."""
        writers = self._writer(rescored_verdicts_layout(), unit), self._writer(rescored_rejected_layout(), unit)
        try:
            error = self._write(unit, *writers)
            return UnitReceipt(unit, writers[0].receipt(), writers[1].receipt(), error)
        except (NethealError, OSError) as failure:
            for writer in writers:
                writer.discard()
            told = write_error(Path(self.output), failure) if isinstance(failure, OSError) else failure
            return UnitReceipt(unit, failure=str(told))

    def _writer(self, layout: Layout, unit: Unit) -> DeltaPartWriter:
        return DeltaPartWriter(layout, self.output, unit.number, self.plan.owner, {"run_id": self.plan.run_id})

    def _write(self, unit: Unit, verdicts: DeltaPartWriter, rejected: DeltaPartWriter) -> str | None:
        try:
            for chunk in chunks(self.plan, unit, self._all_features):
                scored = self._score(chunk)
                verdicts.write(scored.verdicts)
                rejected.write(scored.rejected)
        except (ContractError, SettingsError) as error:
            return str(error)
        return None

    @cached_property
    def _policy(self) -> Policy:
        return parse_policy(self.plan.policy)

    @cached_property
    def _scorer(self) -> Scorer:
        return self._scorer_of(self.plan.models)

    @cached_property
    def _other(self) -> Scorer | None:
        return None if self.plan.compared is None else self._scorer_of(self.plan.compared)

    def _scorer_of(self, hashes: Mapping[str, str]) -> Scorer:
        return Scorer({contract_id: self.models[key] for contract_id, key in hashes.items()}, self._policy)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return vocabulary(run_contracts(self._scorer.models.values()))

    @cached_property
    def _other_vocabulary(self) -> Vocabulary:
        return vocabulary(run_contracts(self._other.models.values() if self._other is not None else ()))

    @cached_property
    def _all_features(self) -> Vocabulary:
        """What rows are read with: the features of all models."""
        return vocabulary(run_contracts(self.models.values()))

    def _score(self, chunk: RowChunk) -> ScoredBatch:
        origin, raw_rows = _origin(chunk), _raw_rows(chunk)
        if chunk.malformed:
            places = range(chunk.table.num_rows)
            faults = [Rejection(place, RejectionReason.MALFORMED_ROW, detail=_WIDTH) for place in places]
            rejected = rejected_rows(origin, faults, raw_rows)
            return ScoredBatch(pa.table({}), _stored_beside(rejected, chunk.columns), np.zeros(0, np.int16))
        scored = self._scorer.score(decode_table(self._vocabulary, chunk.table, chunk.words), origin, raw_rows)
        verdicts = _stored_beside(scored.verdicts, chunk.columns)
        for name, column in self._compared(chunk, origin, scored.verdicts["offset"]).items():
            verdicts = verdicts.append_column(name, column)
        return replace(scored, verdicts=verdicts, rejected=_stored_beside(scored.rejected, chunk.columns))

    def _compared(self, chunk: RowChunk, origin: Origin, places: pa.ChunkedArray) -> Columns:
        """What the other models said of the rows at these places, or the stream did."""
        said, at = chunk.verdicts, places
        if self._other is not None:
            decoded = decode_table(self._other_vocabulary, chunk.table, chunk.words)
            said = self._other.score(decoded, origin, _raw_rows(chunk)).verdicts
            at = pc.index_in(places, said["offset"].combine_chunks())
        if said is None:
            return {f.name: pa.nulls(len(places), f.type) for f in COMPARED_COLUMNS}
        return {f.name: said[f.name.removeprefix(_OTHER)].cast(f.type).take(at) for f in COMPARED_COLUMNS}


def run_contracts(models: Iterable[ServedModel]) -> tuple[Contract, ...]:
    """The contracts that rows are read for."""
    return contracts_in_force(model.bundle.contract for model in models)


def _origin(chunk: RowChunk) -> Origin:
    """Places in the chunk as offsets: what is stored as the rows' origin is put in their place afterwards."""
    rows = chunk.table.num_rows
    return Origin(
        topic="",
        partition=pa.array(np.zeros(rows, np.int32)),
        offset=pa.array(np.arange(rows)),
        recorded_at=chunk.columns["recorded_at"],
        batch_id=0,
    )


def _raw_rows(chunk: RowChunk) -> RawRows:
    def of(places: pa.Array) -> Columns:
        values = pa.array(chunk.messages(places.to_pylist()), pa.binary())
        return {"key": pa.nulls(len(places), pa.binary()), "value": values}

    return of


def _stored_beside(scored: pa.Table, columns: Columns) -> pa.Table:
    """Scored rows, whose offsets are places in `columns`, with these."""
    places = scored["offset"]
    for name, column in columns.items():
        there = scored.schema.get_field_index(name)
        taken = column.take(places)
        scored = scored.append_column(name, taken) if there < 0 else scored.set_column(there, name, taken)
    return scored
