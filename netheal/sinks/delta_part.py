"""Verdicts or rejected rows as Parquet parts of a Delta table, invisible until somebody commits them."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FileType

from netheal.host.fsync import local_folder
from netheal.store.delta import DATE_COLUMN, DeltaLog, Layout, Part
from netheal.store.delta_files import filesystem_of
from netheal.store.delta_sync import sync_parts
from netheal.store.open_parts import part_prefix

_MOST_OPEN = 32
"""Days whose files are open at once: a process has a limit on files, and a producer chooses the days."""
_KEPT_BYTES = 64 * 2**20
_UNWRITABLE = (OSError, ValueError, pa.ArrowException)
"""What files raise that cannot be closed or removed, such as those of a full disk."""


@dataclass
class _OpenPart:
    path: str
    stream: pa.NativeFile
    writer: pq.ParquetWriter
    rows: int = 0
    event_ids: list[int] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        self.writer.write_table(rows)
        self.rows += rows.num_rows
        self.event_ids += pc.min_max(rows["event_id"]).as_py().values()
        self.recorded += [f"{t:%Y-%m-%dT%H:%M:%S.%fZ}" for t in pc.min_max(rows["recorded_at"]).as_py().values()]

    def close(self) -> None:
        """Write what is left; a second time does nothing."""
        try:
            self.writer.close()
        finally:
            self.stream.close()


class DeltaPartWriter:
    """Writes one Parquet file for each date that its rows fall on.

    The first dates have their files open to the end. Rows of others are kept, up to a bound, and then written date
    by date, so that such a date may get a file more than once. Files are named after their `owner` and its batch.
    `constants` are columns that have one value in all rows, for the log's statistics.
    """

    def __init__(
        self,
        layout: Layout,
        root: str,
        batch_id: int,
        owner: str = "batch",
        constants: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._location = layout.uri(root)
        self._files, self._folder = filesystem_of(self._location)
        self._prefix = part_prefix(owner, batch_id)
        self._constants = constants
        self._paths: list[str] = []
        self._open: dict[date, _OpenPart] = {}
        self._kept: list[pa.Table] = []
        self._kept_bytes = 0
        self._parts: list[Part] = []

    def write(self, batch: pa.Table) -> None:
        """Append rows of the layout's schema, whose columns have the same types in each call."""
        for day, rows in _by_day(batch):
            if day not in self._open and len(self._open) < _MOST_OPEN:
                self._open[day] = self._start(day, rows.schema)
            if day in self._open:
                self._open[day].write(rows)
            else:
                self._kept.append(rows)
                self._kept_bytes += rows.nbytes
        if self._kept_bytes > _KEPT_BYTES:
            self._write_kept()

    def _write_kept(self) -> None:
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        for day, rows in _by_day(pa.concat_tables(kept).unify_dictionaries()):
            part = self._start(day, rows.schema)
            try:
                part.write(rows)
            finally:
                part.close()
            self._parts.append(self._close(day, part))

    def _start(self, day: date, schema: pa.Schema) -> _OpenPart:
        folder = f"{DATE_COLUMN}={day.isoformat()}"
        path = f"{folder}/{self._prefix}{uuid.uuid4().hex}.parquet"
        self._paths.append(path)
        if local_folder(self._location) is not None:  # an object store would keep an empty object of that name
            self._files.create_dir(f"{self._folder}/{folder}", recursive=True)
        stream = self._files.open_output_stream(f"{self._folder}/{path}")
        texts = [f.name for f in schema if pa.types.is_dictionary(f.type) or pa.types.is_string(f.type)]
        writer = pq.ParquetWriter(
            stream,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=texts,
            write_statistics=False,
            store_schema=False,
        )
        return _OpenPart(path, stream, writer)

    def receipt(self) -> list[Part]:
        """Close the files and make them durable; what is needed to commit them."""
        if self._kept:
            self._write_kept()
        parts = [*(self._close(day, part) for day, part in self._open.items()), *self._parts]
        sync_parts(self._location, [part.path for part in parts])
        return parts

    def discard(self) -> None:
        """Remove the files, which must not be committed; what cannot be removed stays, as it is after a crash."""
        for part in self._open.values():
            with suppress(*_UNWRITABLE):
                part.close()
        for path in self._paths:
            with suppress(*_UNWRITABLE):
                self._files.delete_file(f"{self._folder}/{path}")

    def _close(self, day: date, part: _OpenPart) -> Part:
        part.close()
        info = self._files.get_file_info(f"{self._folder}/{part.path}")
        if info.type != FileType.File:
            raise OSError(f"the part {part.path} is not where it was written")
        return Part(
            path=part.path,
            size=info.size,
            date=day.isoformat(),
            rows=part.rows,
            modified_ms=int(time.time() * 1000),
            lowest={"event_id": min(part.event_ids), "recorded_at": min(part.recorded), **self._constants},
            highest={"event_id": max(part.event_ids), "recorded_at": max(part.recorded), **self._constants},
        )


def remove_uncommitted(log: DeltaLog, owner: str, batch_id: int) -> int:
    """Remove the parts of a batch that no version of the table refers to; how many there were.

    To be called before the batch is scored again, by the one process that commits the owner's parts: none that is
    there may be committed later. Raises ServiceUnavailable or OSError where files or log cannot be read.
    """
    files, folder = filesystem_of(log.uri)
    found = set(_parts_named(files, folder, part_prefix(owner, batch_id)))
    left = found - log.paths_in_log() if found else found
    for path in left:
        files.delete_file(f"{folder}/{path}")
    return len(left)


def _parts_named(files: FileSystem, folder: str, prefix: str) -> Iterator[str]:
    """Paths from the table on, as the log has them."""
    for day in files.get_file_info(FileSelector(folder)):
        if day.type == FileType.Directory and day.base_name.startswith(f"{DATE_COLUMN}="):
            for info in files.get_file_info(FileSelector(day.path, allow_not_found=True)):
                if info.base_name.startswith(prefix):
                    yield f"{day.base_name}/{info.base_name}"


def _by_day(batch: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each date (of `recorded_at`, UTC), in their order."""
    if batch.num_rows == 0:
        return
    days = pc.cast(batch["recorded_at"], pa.date32())
    first, last = pc.min_max(days).as_py().values()
    if first == last:
        yield first, batch
        return
    order = pc.sort_indices(days)
    ordered, days = batch.take(order), days.take(order)
    encoded = pc.run_end_encode(days.combine_chunks())
    start = 0
    for day, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
        yield day, ordered.slice(start, end - start)
        start = end
