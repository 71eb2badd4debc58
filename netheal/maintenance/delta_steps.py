"""Maintenance of one Delta table: rows that are too old, many small parts, files that are needed no more."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from netheal.errors import ServiceUnavailable
from netheal.store.compaction import compact, remove_files, small_parts, unneeded_files
from netheal.store.database import Connection
from netheal.store.delta import DATE_COLUMN, DeltaLog, Layout
from netheal.store.delta_files import bytes_on_disk, sizes_of
from netheal.store.open_parts import open_prefixes

Figures = dict[str, Any]


@dataclass(frozen=True)
class DeltaMaintenance:
    """Of one table below `root`. `keep_from`: rows of days before it are deleted; None keeps all."""

    layout: Layout
    root: str
    keep_from: date | None
    connection: Connection
    """To Postgres, which knows what is open."""

    def plan(self) -> Figures:
        """What `run` would do, in numbers; changes nothing. Raises ServiceUnavailable."""
        return self._guarded(dry_run=True)

    def run(self) -> Figures:
        """Delete, compact, remove; what was done, in numbers. Raises ServiceUnavailable: may be run again."""
        return self._guarded(dry_run=False)

    def _guarded(self, dry_run: bool) -> Figures:
        uri = self.layout.uri(self.root)
        try:
            before = _size(DeltaTable(uri))
        except TableNotFoundError:
            return {}
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot open the Delta table {uri}: {error}") from error
        try:
            steps = self._planned(uri) if dry_run else self._done(uri)
            return steps if dry_run else {**steps, "before": before, "after": _size(DeltaTable(uri))}
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot maintain the Delta table {uri}: {error}") from error

    def _planned(self, uri: str) -> Figures:
        table = DeltaTable(uri)
        expired = self._expired(table)
        gone = expired.pop("paths")
        kept = [path for path in small_parts(table) if path not in gone]
        unneeded = unneeded_files(table, open_prefixes(self.connection))
        return {
            "retention": expired,
            "compaction": {"parts": len(kept)},
            "vacuum": _files(uri, unneeded),
            "before": _size(table),
        }

    def _done(self, uri: str) -> Figures:
        expired = self._expired(DeltaTable(uri))
        expired.pop("paths")
        if self.keep_from is not None and expired["parts"]:
            DeltaLog(self.layout, self.root).delete(f"{DATE_COLUMN} < '{self.keep_from.isoformat()}'")
        parts = compact(uri)
        unneeded = unneeded_files(DeltaTable(uri), open_prefixes(self.connection))
        files = _files(uri, unneeded)
        remove_files(uri, unneeded)
        return {"retention": expired, "compaction": {"parts": parts}, "vacuum": files}

    def _expired(self, table: DeltaTable) -> Figures:
        """The parts of days that are not kept, with their paths."""
        actions = pa.table(table.get_add_actions(flatten=True))
        if self.keep_from is None or not actions.num_rows:
            return {"parts": 0, "rows": 0, "bytes": 0, "paths": set()}
        day = pa.scalar(self.keep_from, pa.date32())
        old = actions.filter(pc.less(actions[f"partition.{DATE_COLUMN}"], day))
        rows, size = (_sum(old, name) for name in ("num_records", "size_bytes"))
        return {"parts": old.num_rows, "rows": rows, "bytes": size, "paths": set(old["path"].to_pylist())}


def _files(uri: str, paths: list[str]) -> Figures:
    return {"files": len(paths), "bytes": sizes_of(uri, paths)}


def _size(table: DeltaTable) -> Figures:
    actions = pa.table(table.get_add_actions(flatten=True))
    rows, size = (_sum(actions, name) for name in ("num_records", "size_bytes"))
    return {"parts": actions.num_rows, "rows": rows, "bytes": size, "bytes_on_disk": bytes_on_disk(table.table_uri)}


def _sum(actions: pa.Table, name: str) -> int:
    """Over the parts; a table without any has no such column."""
    return int(pc.sum(actions[name]).as_py() or 0) if actions.num_rows else 0
