"""Rejected rows out of Delta `quarantine`, a bounded table at a time, and scored once more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from netheal.bundles.served import ServedBundle
from netheal.contracts import contracts_in_force
from netheal.contracts.schema import rejected_schema
from netheal.errors import ServiceUnavailable
from netheal.healing.policy import Policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.replay.selection import Selection
from netheal.scoring.loaded import LoadedModels
from netheal.store.delta import quarantine_layout
from netheal.verdicts.scorer import Columns, ScoredBatch, Scorer

_SCAN_ROWS = 1_000
_MOST_BYTES = 64 * 2**20
_ORIGIN = ("event_id", "recorded_at", "topic", "partition", "offset", "batch_id")


def selected_rows(delta_root: str, selection: Selection, most_rows: int) -> Iterator[pa.Table]:
    """Tables in `rejected_schema()` of `most_rows` rows at most, of the version that Delta `quarantine` has now.

    Raises ServiceUnavailable where the table cannot be read.
    """
    uri = quarantine_layout().uri(delta_root)
    schema = rejected_schema()
    wanted = selection.of_rows()
    kept: list[pa.Table] = []
    try:
        dataset = DeltaTable(uri).to_pyarrow_dataset()
        scanner = dataset.scanner(
            columns=schema.names,
            filter=selection.of_days(),
            batch_size=min(_SCAN_ROWS, most_rows),
            batch_readahead=1,
            fragment_readahead=1,
        )
        for batch in scanner.to_batches():
            rows = pa.Table.from_batches([batch]).cast(schema).filter(wanted)
            if kept and (_rows(kept) + rows.num_rows > most_rows or sum(part.nbytes for part in kept) > _MOST_BYTES):
                yield pa.concat_tables(kept)
                kept = []
            if rows.num_rows:
                kept.append(rows)
    except TableNotFoundError:
        return
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise ServiceUnavailable(f"cannot read the Delta table {uri}: {error}") from error
    if kept:
        yield pa.concat_tables(kept)


@dataclass(frozen=True)
class QuarantineScorer:
    """Scores rows in `rejected_schema()` as if they came today, with whatever models; keeps those in use loaded."""

    load: Callable[[str], ServedBundle]
    models: LoadedModels

    def score(self, rows: pa.Table, pinned: Mapping[str, str], policy: Policy) -> ScoredBatch:
        """Every row keeps its event id, time and place. `pinned`: contract id -> bundle hash.

        Raises ModelFailure where a model fails or is gone.
        """
        loaded = {contract: self.models.get(key, partial(self.load, key)) for contract, key in pinned.items()}
        contracts = contracts_in_force(model.bundle.contract for model in loaded.values())
        decoded = MessageDecoder(vocabulary(contracts)).decode(_array(rows, "value"))
        origin = _StoredOrigin(rows)
        return Scorer(loaded, policy).score(decoded, origin, origin.raw_rows)


@dataclass(frozen=True)
class _StoredOrigin:
    rows: pa.Table

    @cached_property
    def columns(self) -> Columns:
        """As they were stored when the rows were rejected."""
        return {name: _array(self.rows, name) for name in _ORIGIN}

    def raw_rows(self, place: pa.Array) -> Columns:
        """Key and value of these rows."""
        return {name: _array(self.rows, name).take(place) for name in ("key", "value")}


def _array(rows: pa.Table, name: str) -> pa.Array:
    column = rows[name].combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _rows(tables: list[pa.Table]) -> int:
    return sum(table.num_rows for table in tables)
