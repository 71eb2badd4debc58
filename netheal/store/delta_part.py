"""Verdicts or rejected rows as Parquet parts of a Delta table, invisible until somebody commits them."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, FileType

from netheal.store.delta import DATE_COLUMN, Layout, Part


@dataclass
class _OpenPart:
    path: str
    writer: pq.ParquetWriter
    rows: int = 0
    event_ids: list[int] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Write what is left; a second time does nothing."""
        self.writer.close()
        if self.writer.file_handle is not None:
            self.writer.file_handle.close()


class DeltaPartWriter:
    """Writes one Parquet file for each date that its rows fall on."""

    def __init__(self, layout: Layout, root: str, batch_id: int) -> None:
        self._files, self._folder = FileSystem.from_uri(_as_uri(layout.uri(root)))
        self._batch_id = batch_id
        self._open: dict[date, _OpenPart] = {}

    def write(self, batch: pa.Table) -> None:
        """Append rows of the layout's schema."""
        if batch.num_rows == 0:
            return
        days = pc.cast(batch["recorded_at"], pa.date32())
        distinct = pc.unique(days).to_pylist()
        for day in distinct:
            rows = batch if len(distinct) == 1 else batch.filter(pc.equal(days, pa.scalar(day, pa.date32())))
            self._write_day(day, rows)

    def _write_day(self, day: date, rows: pa.Table) -> None:
        part = self._open.get(day)
        if part is None:
            part = self._open[day] = self._start(day, rows.schema)
        part.writer.write_table(rows)
        part.rows += rows.num_rows
        part.event_ids += pc.min_max(rows["event_id"]).as_py().values()
        part.recorded += [f"{t:%Y-%m-%dT%H:%M:%S.%fZ}" for t in pc.min_max(rows["recorded_at"]).as_py().values()]

    def _start(self, day: date, schema: pa.Schema) -> _OpenPart:
        folder = f"{DATE_COLUMN}={day.isoformat()}"
        path = f"{folder}/batch-{self._batch_id:010d}-{uuid.uuid4().hex}.parquet"
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
        return _OpenPart(path, writer)

    def receipt(self) -> list[Part]:
        """Close the files; what is needed to commit them."""
        return [self._close(day, part) for day, part in self._open.items()]

    def discard(self) -> None:
        """Remove the files, which must not be committed."""
        for part in self._open.values():
            part.close()
            self._files.delete_file(f"{self._folder}/{part.path}")

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
            lowest={"event_id": min(part.event_ids), "recorded_at": min(part.recorded)},
            highest={"event_id": max(part.event_ids), "recorded_at": max(part.recorded)},
        )


def _as_uri(location: str) -> str:
    return location if "://" in location else f"file://{location}"
