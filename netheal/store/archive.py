"""One row out of a Delta table, where most of what is known of an event is."""

import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.fs import FileSystem

from netheal.errors import ServiceUnavailable
from netheal.store.delta import DATE_COLUMN, Layout

Row = dict[str, Any]
_BUFFER_BYTES = 2**16


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
        try:
            parts = self._parts(event_id, day)
            if not parts:
                return None
            files, folder = FileSystem.from_uri(self._uri if "://" in self._uri else f"file://{self._uri}")
            for path in parts:
                with files.open_input_file(f"{folder}/{path}") as source:
                    for row in self._rows(pq.ParquetFile(source, buffer_size=_BUFFER_BYTES), event_id):
                        return row
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self._uri}: {error}") from error
        return None

    def _parts(self, event_id: int, day: date | None) -> list[str]:
        """Paths of the parts that can hold the event, by the statistics in the log."""
        with self._lock:
            try:
                if self._table is None:
                    self._table = DeltaTable(self._uri)
                self._table.update_incremental()
            except TableNotFoundError:
                return []
            actions = pa.table(self._table.get_add_actions(flatten=True))
        if actions.num_rows == 0:
            return []
        holds = pc.and_(
            pc.less_equal(actions["min.event_id"], event_id), pc.greater_equal(actions["max.event_id"], event_id)
        )
        if day is not None:
            holds = pc.and_(holds, pc.equal(actions["partition.date"], pa.scalar(day, pa.date32())))
        return list(actions.filter(holds)["path"].to_pylist())

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
