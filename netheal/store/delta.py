"""The Delta tables: their layouts, and one commit a micro-batch and table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError
from deltalake.schema import Schema
from deltalake.transaction import AddAction

from netheal.contracts.event_id import PARTITIONS_PER_TOPIC, UPLOAD_PARTITION, event_id
from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.errors import ServiceUnavailable
from netheal.store.delta_sync import sync_commits, sync_table, synced_rewrite
from netheal.telemetry import emit

DATE_COLUMN = "date"
CHECKPOINT_INTERVAL = 30
PROPERTIES = {
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    "delta.logRetentionDuration": "interval 5 minutes",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
"""A stream writes several hundred thousand versions and up to a million parts a day, and what the log holds of them
makes each commit dearer: a commit reads the versions since the last checkpoint and lists all that exist, and a
checkpoint holds all parts, and the tombstones of those that were replaced. So versions are kept for five minutes and
tombstones for an hour; nobody is promised an old version. A writer that takes longer than versions are kept cannot tell
what it is in conflict with, and begins again."""
_COMMIT_TRIES = 10
_NEWEST = 100
_STATISTICS_STEP = timedelta(milliseconds=1)
"""Parts that a compaction wrote have their times cut to milliseconds in the log."""


@dataclass(frozen=True)
class Layout:
    """A table: its folder's name under the root, and its columns beside the partition column `date`."""

    name: str
    schema: pa.Schema

    def uri(self, root: str) -> str:
        """Where the table is."""
        return f"{root.rstrip('/')}/{self.name}"

    @property
    def stored(self) -> pa.Schema:
        """All columns, `date` (of `recorded_at`, UTC) among them."""
        return self.schema.append(pa.field(DATE_COLUMN, pa.date32()))


def verdicts_layout() -> Layout:
    """Every scored row, features and all: the system of record."""
    return Layout("verdicts", verdict_schema())


def quarantine_layout() -> Layout:
    """Every rejected row with its raw bytes."""
    return Layout("quarantine", rejected_schema())


class Part(msgspec.Struct, frozen=True):
    """A Parquet file that a task wrote, to be committed. `path` is relative to the table."""

    path: str
    size: int
    date: str
    rows: int
    modified_ms: int
    lowest: dict[str, Any]
    highest: dict[str, Any]

    def to_action(self) -> AddAction:
        """The Delta log's entry that makes it visible."""
        stats = {
            "numRecords": self.rows,
            "minValues": self.lowest,
            "maxValues": self.highest,
            "nullCount": {},
        }
        text = msgspec.json.encode(stats).decode()
        return AddAction(self.path, self.size, {DATE_COLUMN: self.date}, self.modified_ms, True, text)


def _newest(version: int) -> range:
    """The versions that a commit which was cut off may be among."""
    return range(max(0, version - _NEWEST), version + 1)


def application_id(query_id: str) -> str:
    """The name under which a query's batches are versions in the tables' logs."""
    return f"netheal-{query_id}"


def _rows_from(offsets: Mapping[str, int], offset_base: int) -> pc.Expression:
    """Rows of the stream at or past these offsets, those of partitions that are not named among them.

    By the event id alone, as the parts' statistics have it: a column without any matches nothing in a filter.
    """
    stored = pc.field("event_id")
    partition = pc.bit_wise_and(stored, PARTITIONS_PER_TOPIC - 1)
    others = ~partition.isin([*map(int, offsets), UPLOAD_PARTITION])
    found = others & (stored >= event_id(0, 0, offset_base))
    for p, offset in offsets.items():
        found |= (partition == int(p)) & (stored >= event_id(0, offset, offset_base))
    return found


def _rows_from_sql(offsets: Mapping[str, int], offset_base: int) -> str:
    """The same as an SQL condition; nothing but numbers is put into it."""
    of = f"event_id % {PARTITIONS_PER_TOPIC}"
    named = ", ".join(str(p) for p in [*map(int, offsets), UPLOAD_PARTITION])
    found = [f"({of} not in ({named}) and event_id >= {event_id(0, 0, offset_base)})"]
    for p, offset in offsets.items():
        found.append(f"({of} = {int(p)} and event_id >= {event_id(0, offset, offset_base)})")
    return " or ".join(found)


def _add_missing(table: DeltaTable, schema: pa.Schema) -> bool:
    """Add the columns that a table lacks; whether there were any."""
    there = {field.name for field in table.schema().fields}
    missing = [f for f in Schema.from_arrow(schema).fields if f.name not in there]
    if missing:
        table.alter.add_columns([Field(f.name, f.type, nullable=True) for f in missing])
    return bool(missing)


class DeltaLog:
    """Commits to one table; keeps it open, so that a commit reads only what came since the last.

    `parts` is the number of parts there were when it was opened, and of those committed since.
    """

    def __init__(self, layout: Layout, root: str) -> None:
        self._layout = layout
        self.uri = layout.uri(root)
        try:
            self._table = self._open()
            self.parts = len(self._table.file_uris())
            self._columns = {field.name for field in self._table.schema().fields}
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot open the Delta table {self.uri}: {error}") from error

    def _open(self) -> DeltaTable:
        DeltaTable.create(
            self.uri,
            self._layout.stored,
            mode="ignore",
            partition_by=[DATE_COLUMN],
            name=self._layout.name,
            configuration=PROPERTIES,
        )
        table = DeltaTable(self.uri)
        if PROPERTIES.items() - table.metadata().configuration.items():
            table.alter.set_table_properties(PROPERTIES)
        _add_missing(table, self._layout.stored)
        sync_table(self.uri, _newest(table.version()))
        return table

    def add_columns(self, schema: pa.Schema) -> None:
        """Give the table those columns of `schema` that it lacks; its rows so far have null there.

        Raises ServiceUnavailable where the store fails.
        """
        if set(schema.names) <= self._columns:
            return

        def add_missing() -> None:
            self._table.update_incremental()
            before = self._table.version()
            if _add_missing(self._table, schema):
                self._sync_commits_after(before)

        try:
            self._retried(add_missing)
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot add columns to the Delta table {self.uri}: {error}") from error
        self._columns |= set(schema.names)

    def committed(self, app_id: str) -> int | None:
        """The last batch that `app_id` committed here, None for none; raises ServiceUnavailable where that fails."""
        try:
            self._table.update_incremental()
            return self._table.transaction_version(app_id)
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error

    def commit(self, parts: Sequence[Part], app_id: str, batch_id: int) -> bool:
        """Make the parts visible and durable, once for each (app_id, batch_id); returns whether this call did it.

        Without parts there is nothing to do, and the answer is False. Raises ServiceUnavailable where the store fails:
        try the batch again.

        It starts from the version that this object saw last and looks for no newer one. deltalake refuses a transaction
        that another writer has committed since, though not one that is in that version: this is looked up first.
        """
        if not parts:
            return False

        def append_once() -> bool:
            before = self._table.version()
            last = self._table.transaction_version(app_id)
            if last is not None and last >= batch_id:
                # By a driver that may have been killed before it had synced its commit.
                sync_commits(self.uri, _newest(before))
                return False
            self._append(parts, Transaction(app_id, batch_id))
            self._sync_commits_after(before)
            return True

        try:
            done = self._retried(append_once)
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot commit to the Delta table {self.uri}: {error}") from error
        self.parts += len(parts) if done else 0
        return done

    def paths_in_log(self) -> set[str]:
        """Paths, from the table on, of its parts and of those replaced or deleted that the log remembers, for an hour.

        Readers that have an older version of the table open still look for the latter.
        """
        try:
            self._table.update_incremental()
            replaced = self._table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)
            return {*pa.table(self._table.get_add_actions())["path"].to_pylist(), *replaced}
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error

    def holds_rows_from(self, offsets: Mapping[str, int], offset_base: int) -> bool:
        """Whether there are rows of the stream at or past these offsets; a partition that is not named begins at 0.

        `offset_base` is that of the topic's incarnation; rows of those before it do not count.
        """
        try:
            self._table.update_incremental()
            if not self.parts:
                return False
            rows = self._table.to_pyarrow_dataset()
            return bool(rows.head(1, columns=["event_id"], filter=_rows_from(offsets, offset_base)).num_rows)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error

    def delete_rows_from(self, offsets: Mapping[str, int], offset_base: int) -> None:
        """Remove the rows that `holds_rows_from` is about."""
        self.delete(_rows_from_sql(offsets, offset_base))

    def rows_between(self, start: Mapping[str, int], end: Mapping[str, int], offset_base: int) -> pa.Table:
        """The rows of the stream from one position to another; a partition that `end` does not name has none."""
        begin = {partition: start.get(partition, 0) for partition in end}
        try:
            self._table.update_incremental()
            if not self.parts:
                return self._layout.schema.empty_table()
            inside = _rows_from(begin, offset_base) & ~_rows_from(end, offset_base)
            return self._table.to_pyarrow_dataset().to_table(filter=inside)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error

    def rows_with(self, column: str, value: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in which a column, which the parts' statistics have, is `value`; some of the columns, or all.

        A part at a time, so that memory does not grow with the table. Raises ServiceUnavailable where the store fails.
        """
        try:
            self._table.update_incremental()
            if not self._table.file_uris():
                return
            batches = self._table.to_pyarrow_dataset().to_batches(
                columns=None if columns is None else list(columns),
                filter=pc.field(column) == value,
                batch_readahead=1,
                fragment_readahead=1,
            )
            for batch in batches:
                yield pa.Table.from_batches([batch])
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error

    def parts_since(self, since: datetime | None) -> list[tuple[str, int, int]]:
        """Where the parts are that may have rows recorded at `since` or later, with their rows and bytes, by path."""
        try:
            self._table.update_incremental()
            actions = pa.table(self._table.get_add_actions(flatten=True))
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot read the Delta table {self.uri}: {error}") from error
        if since is not None and actions.num_rows:
            newest = actions["max.recorded_at"].cast(pa.timestamp("us", "UTC"))
            may = pc.fill_null(pc.greater_equal(newest, pa.scalar(since - _STATISTICS_STEP, newest.type)), True)
            actions = actions.filter(may)
        rows = zip(*(actions[name].to_pylist() for name in ("path", "num_records", "size_bytes")), strict=True)
        return sorted((f"{self.uri}/{path}", rows_there, size) for path, rows_there, size in rows)

    def delete(self, predicate: str) -> None:
        """Remove the rows for which an SQL predicate holds; raises ServiceUnavailable where the store fails."""

        def delete() -> None:
            self._table.update_incremental()
            with synced_rewrite(self._table):
                self._table.delete(predicate)

        try:
            self._retried(delete)
        except (DeltaError, OSError) as error:
            raise ServiceUnavailable(f"cannot delete from the Delta table {self.uri}: {error}") from error

    def _retried[T](self, attempt: Callable[[], T]) -> T:
        """What an attempt to commit gives; another, from the newest version, where that fails.

        Another writer was quicker, or this one so slow that the versions since are gone.
        """
        for _ in range(_COMMIT_TRIES - 1):
            try:
                return attempt()
            except DeltaError:
                emit("commit.retried", table=self.uri)
                self._table.update_incremental()
        return attempt()

    def _sync_commits_after(self, before: int) -> None:
        self._table.update_incremental()
        sync_commits(self.uri, range(before + 1, self._table.version() + 1))

    def _append(self, parts: Sequence[Part], transaction: Transaction) -> None:
        # To look for expired versions lists all, and only those before a checkpoint can go.
        expire_versions = self._table.version() % CHECKPOINT_INTERVAL == 0
        self._table.create_write_transaction(
            [part.to_action() for part in parts],
            "append",
            self._table.schema(),
            partition_by=[DATE_COLUMN],
            commit_properties=CommitProperties(app_transactions=[transaction]),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=expire_versions),
        )
