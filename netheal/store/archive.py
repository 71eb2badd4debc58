"""Rows out of a Delta table, where most of what is known of an event is: one, or those of a file page by page."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from netheal.contracts.event_id import Ids
from netheal.contracts.schema import TIMESTAMP
from netheal.errors import ServiceUnavailable
from netheal.store.delta import DATE_COLUMN, Layout
from netheal.store.delta_files import filesystem_of

Row = dict[str, Any]
_BUFFER_BYTES = 2**16
_CUT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class BatchRows:
    """Which rows of a table: those of a topic's batch, all recorded at one moment."""

    topic: str
    batch_id: int
    recorded_at: datetime


class Archive:
    """Looks events up in a table; keeps it open, so that a look reads only what was committed since the last."""

    def __init__(self, layout: Layout, root: str) -> None:
        self._layout = layout
        self._uri = layout.uri(root)
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None

    def find(self, event_id: int, day: date | None = None) -> Row | None:
        """The row of an event, None where none was committed; the layout's columns, and others that its part has.

        `day` (of `recorded_at`, UTC), where it is known, leaves out the other days' parts.
        Raises ServiceUnavailable where the table cannot be read.
        """
        with self._readable():
            for path in self._parts(event_id, day):
                with self._opened(path) as part:
                    for row in self._rows(part, event_id):
                        return row
        return None

    def of_batch(self, batch: BatchRows, after: int, limit: int, schema: pa.Schema | None = None) -> pa.Table:
        """The first `limit` rows of a batch behind event id `after`, by event id, in `schema`, or else the layout's.

        Raises ServiceUnavailable where the table cannot be read.
        """
        schema = self._layout.schema if schema is None else schema
        with self._readable():
            parts = self._parts_recorded_at(batch.recorded_at)
            ids = [ids for path in parts for ids in self._ids(path, batch, after)]
            wanted = np.sort(np.concatenate([np.array([], np.int64), *ids]))[:limit]
            rows = [rows for path in parts for rows in self._rows_among(path, wanted, schema)]
        return pa.concat_tables([schema.empty_table(), *rows]).sort_by("event_id")

    def of_events(self, event_ids: Ids, days: Collection[date]) -> pa.Table:
        """The rows of these events, recorded on these days (UTC), in no order and the layout's schema.

        Raises ServiceUnavailable where the table cannot be read.
        """
        wanted, schema = np.sort(event_ids), self._layout.schema
        with self._readable():
            found = [rows for path in self._parts_of(wanted, days) for rows in self._rows_among(path, wanted, schema)]
        return pa.concat_tables([schema.empty_table(), *found])

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self._uri}: {error}") from error

    @contextmanager
    def _opened(self, path: str) -> Iterator[pq.ParquetFile]:
        """A part of the table."""
        files, folder = filesystem_of(self._uri)
        with files.open_input_file(f"{folder}/{path}") as source:
            yield pq.ParquetFile(source, buffer_size=_BUFFER_BYTES)

    def _ids(self, path: str, batch: BatchRows, after: int) -> Iterator[npt.NDArray[np.int64]]:
        """Event ids of the batch's rows behind `after`, a row group's at a time."""
        with self._opened(path) as part:
            for group in range(part.num_row_groups):
                rows = part.read_row_group(group, columns=["event_id", "topic", "batch_id"], use_threads=False)
                ours = pc.and_(pc.equal(rows["topic"], batch.topic), pc.equal(rows["batch_id"], batch.batch_id))
                yield rows["event_id"].filter(pc.and_(ours, pc.greater(rows["event_id"], after))).to_numpy()

    def _rows_among(self, path: str, ids: npt.NDArray[np.int64], schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows of these events, a row group's at a time, one column after the other."""
        wanted = pa.array(ids)
        with self._opened(path) as part:
            there = set(part.schema_arrow.names)
            for group in range(part.num_row_groups):
                found = part.read_row_group(group, columns=["event_id"], use_threads=False)["event_id"]
                ours = pc.is_in(found, value_set=wanted)
                if not (count := pc.sum(ours).as_py()):
                    continue
                columns = [
                    part.read_row_group(group, columns=[field.name], use_threads=False)[0].filter(ours).cast(field.type)
                    if field.name in there
                    else pa.nulls(count, field.type)
                    for field in schema
                ]
                yield pa.table(columns, schema=schema)

    def _parts(self, event_id: int, day: date | None) -> list[str]:
        """Paths of the parts that can hold the event, by the statistics in the log."""
        actions = self._add_actions()
        if actions.num_rows == 0:
            return []
        holds = pc.and_(
            pc.less_equal(actions["min.event_id"], event_id), pc.greater_equal(actions["max.event_id"], event_id)
        )
        if day is not None:
            holds = pc.and_(holds, pc.equal(actions["partition.date"], pa.scalar(day, pa.date32())))
        return list(actions.filter(holds)["path"].to_pylist())

    def _parts_of(self, ordered: Ids, days: Collection[date]) -> list[str]:
        """Paths of the parts of these days that can hold one of the events, which are ascending."""
        actions = self._add_actions()
        if actions.num_rows == 0:
            return []
        low, high = actions["min.event_id"].to_numpy(), actions["max.event_id"].to_numpy()
        holds = np.searchsorted(ordered, low) < np.searchsorted(ordered, high, side="right")
        of_day = pc.is_in(actions["partition.date"], value_set=pa.array(sorted(days), pa.date32()))
        return list(actions.filter(pc.and_(pa.array(holds), of_day.combine_chunks()))["path"].to_pylist())

    def _parts_recorded_at(self, moment: datetime) -> list[str]:
        """Paths of the parts that can hold rows of a moment; some writers cut the statistics to milliseconds."""
        actions = self._add_actions()
        if actions.num_rows == 0:
            return []
        first = pc.cast(actions["min.recorded_at"], TIMESTAMP)
        last = pc.cast(actions["max.recorded_at"], TIMESTAMP)
        holds = pc.and_(pc.less_equal(first, pa.scalar(moment)), pc.greater_equal(last, pa.scalar(moment - _CUT)))
        return list(actions.filter(holds)["path"].to_pylist())

    def _add_actions(self) -> pa.Table:
        """The parts there are now, with their statistics; none where there is no table yet."""
        with self._lock:
            try:
                if self._table is None:
                    self._table = DeltaTable(self._uri)
                self._table.update_incremental()
            except TableNotFoundError:
                return pa.table({})
            return pa.table(self._table.get_add_actions(flatten=True))

    def _rows(self, part: pq.ParquetFile, event_id: int) -> Iterator[Row]:
        """One column after the other: a row group of a compacted part is large."""
        there = set(part.schema_arrow.names)
        for group in range(part.num_row_groups):
            ids = part.read_row_group(group, columns=["event_id"], use_threads=False)["event_id"]
            at = pc.index(ids, pa.scalar(event_id, ids.type)).as_py()
            if at < 0:
                continue
            row: Row = dict.fromkeys(self._layout.schema.names)
            for name in there - {DATE_COLUMN}:
                row[name] = part.read_row_group(group, columns=[name], use_threads=False)[name][at].as_py()
            yield row
