"""The rows of a unit, decoded chunk by chunk, whether they are of a file or of the stored verdicts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from netheal.contracts.event_id import UPLOAD_PARTITION, event_id
from netheal.contracts.schema import TIMESTAMP
from netheal.errors import ServiceUnavailable
from netheal.records.encode import encode_rows, encode_rows_at
from netheal.records.flow_files import FlowRows, flow_rows, label_column
from netheal.records.headers import known_places
from netheal.records.stored_columns import wire_columns
from netheal.records.text_cells import NO_WORDS, Words, numbers_and_words
from netheal.records.vocabulary import Vocabulary
from netheal.rescoring.plan import RunPlan, Unit
from netheal.verdicts.scorer import Columns, constant

TOPIC = "rescored"
_MOST_ROWS = 2**30
"""Rows of a unit at most, for its event ids."""
_BATCH_ROWS = 20_000
_STORED_VERDICT = ("threat_score", "threat_is_attack", "attack_class", "attack_confidence", "is_attack")


@dataclass(frozen=True)
class RowChunk:
    """n rows under wire names, `columns` [n] that are stored beside what they are scored, and raw rows by place.

    `malformed`: their cells are not those of the header, and `table` is of no use. `verdicts`: what the stream said of
    them, where it did.
    """

    table: pa.Table
    words: Words
    columns: Columns
    messages: Callable[[list[int]], list[bytes]]
    malformed: bool = False
    verdicts: pa.Table | None = None


def chunks(plan: RunPlan, unit: Unit, known: Vocabulary) -> Iterator[RowChunk]:
    """The rows of a unit; raises ContractError or SettingsError where a flow file ends before its end."""
    return _stored_chunks(plan, unit, known) if plan.request.stored else _file_chunks(plan, unit, known)


def _file_chunks(plan: RunPlan, unit: Unit, known: Vocabulary) -> Iterator[RowChunk]:
    (path,) = unit.paths
    row = unit.number * _MOST_ROWS
    for rows in flow_rows(Path(path), known.contracts, unit.span):
        table, words = (rows.table, NO_WORDS) if rows.malformed else _typed(rows.table, known)
        columns = _file_columns(plan, unit, rows, row)
        messages = partial(_malformed_messages, rows.table) if rows.malformed else partial(encode_rows_at, table, words)
        yield RowChunk(table, words, columns, messages, rows.malformed)
        row += rows.table.num_rows


def _typed(table: pa.Table, known: Vocabulary) -> tuple[pa.Table, Words]:
    names = [table.column_names[place] for place in known_places(table.column_names, known.contracts)]
    return numbers_and_words(table.select(names), known.features)


def _malformed_messages(table: pa.Table, places: list[int]) -> list[bytes]:
    return encode_rows(table.take(pa.array(places, pa.int64())))


def _file_columns(plan: RunPlan, unit: Unit, rows: FlowRows, first: int) -> Columns:
    count = rows.table.num_rows
    offset = np.arange(first, first + count)
    label = None if rows.malformed else label_column(rows.table.column_names)
    return {
        "event_id": pa.array(event_id(np.full(count, UPLOAD_PARTITION), offset)),
        "recorded_at": pa.repeat(pa.scalar(plan.started_at, TIMESTAMP), count),
        "topic": constant(TOPIC, count),
        "partition": pa.array(np.full(count, UPLOAD_PARTITION, np.int32)),
        "offset": pa.array(offset),
        "batch_id": pa.array(np.full(count, unit.number)),
        "run_id": constant(plan.run_id, count),
        "file": constant(unit.paths[0], count),
        "line": pa.array(rows.lines),
        "label": _text(rows.table[label], count) if label is not None else pa.nulls(count, pa.string()),
    }


def _text(column: pa.ChunkedArray, rows: int) -> pa.Array:
    return column.cast(pa.string()).combine_chunks() if rows else pa.array([], pa.string())


def _stored_chunks(plan: RunPlan, unit: Unit, known: Vocabulary) -> Iterator[RowChunk]:
    for path in unit.paths:
        try:
            files, name = FileSystem.from_uri(path if "://" in path else f"file://{path}")
            with files.open_input_file(name) as source:
                for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS):
                    stored = pa.Table.from_batches([batch])
                    if plan.request.since is not None:
                        since = pa.scalar(plan.request.since, TIMESTAMP)
                        stored = stored.filter(pc.greater_equal(stored["recorded_at"].cast(TIMESTAMP), since))
                    if stored.num_rows:
                        yield _stored_chunk(plan, stored.combine_chunks(), known)
        except OSError as error:
            raise ServiceUnavailable(
                f"cannot read {path} of the stored verdicts: {error}; if it was compacted since the run began, give"
                " another --run-id"
            ) from error


def _stored_chunk(plan: RunPlan, stored: pa.Table, known: Vocabulary) -> RowChunk:
    table, words = wire_columns(stored, known)
    count = stored.num_rows
    origin = ("event_id", "recorded_at", "topic", "partition", "offset", "batch_id")
    columns = {name: stored[name].combine_chunks() for name in origin}
    columns["recorded_at"] = columns["recorded_at"].cast(TIMESTAMP)
    columns["topic"] = columns["topic"].cast(pa.string())
    columns["run_id"] = constant(plan.run_id, count)
    columns |= {name: pa.nulls(count, pa.string()) for name in ("file", "label")}
    columns["line"] = pa.nulls(count, pa.int64())
    said = stored.select(_STORED_VERDICT)
    return RowChunk(table, words, columns, partial(encode_rows_at, table, words), verdicts=said)
