"""Many small parts of a Delta table made into few large ones, by a process of its own.

    python -m netheal.store.compaction TABLE_URI [SPARED_PREFIX …]

A micro-batch adds a part a task and table, some hundred thousand a day, and each costs every later commit a
little time and memory. Compaction changes no row; appends go on beside it. VACUUM then removes two kinds of files:

- Parts that a compaction or a deletion replaced: readers that have an older version of the table open still look for
  them. The log remembers them for an hour, in which they stay however old they are; then they are files of the other
  kind.
- Files that the log does not know, `KEPT_HOURS` after they were written: such parts, and those that a task wrote before
  it was killed and no later attempt removed. Those of batches that are open, whose names begin with a spared prefix,
  stay however old they are: they may be committed yet.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyarrow.fs import FileType

from netheal.settings import load_settings
from netheal.store.delta import DATE_COLUMN
from netheal.store.delta_files import filesystem_of
from netheal.store.delta_sync import synced_rewrite
from netheal.telemetry import configure_logging, emit

KEPT_HOURS = 24
TARGET_BYTES = 64 * 2**20
"""A part of this size is left as it is."""
_TRIES = 3
_NICENESS = 10


@dataclass(frozen=True)
class Unneeded:
    """Paths of files, from the table on, that VACUUM removes."""

    replaced: list[str]
    orphaned: list[str]


def compact(uri: str) -> int:
    """Compact the table; the number of parts replaced now."""
    for tries_left in reversed(range(_TRIES)):
        table = DeltaTable(uri)
        try:
            with synced_rewrite(table):
                # One task at a time: the stream's workers need the cores more.
                found = table.optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1)
            return int(found["numFilesRemoved"])
        except CommitFailedError:  # another compaction, or a deletion, was quicker
            if not tries_left:
                raise
    raise AssertionError


def small_parts(table: DeltaTable) -> list[str]:
    """Paths of the parts that a compaction would replace: the small ones of each date that has several."""
    actions = pa.table(table.get_add_actions(flatten=True))
    of_date: dict[object, list[str]] = {}
    for path, size, day in zip(*(actions[name].to_pylist() for name in _PART), strict=True):
        if size < TARGET_BYTES:
            of_date.setdefault(day, []).append(path)
    return [path for paths in of_date.values() if len(paths) > 1 for path in paths]


def unneeded_files(table: DeltaTable, spared: Sequence[str] = (), kept_hours: int = KEPT_HOURS) -> Unneeded:
    """What VACUUM would remove now. `spared`: beginnings of the names of parts that may be committed yet."""
    replaced = table.vacuum(kept_hours, dry_run=True, enforce_retention_duration=False, full=False)
    unknown = table.vacuum(KEPT_HOURS, dry_run=True, full=True)
    spare = tuple(spared)
    orphaned = [path for path in unknown if not path.rpartition("/")[2].startswith(spare)] if spare else unknown
    return Unneeded(replaced, sorted({*orphaned} - {*replaced}))


def vacuum(uri: str, spared: Sequence[str] = (), kept_hours: int = KEPT_HOURS) -> Unneeded:
    """Remove what is needed no more; what was removed."""
    table = DeltaTable(uri)
    found = unneeded_files(table, spared, kept_hours)
    # "Lite": only what the log says was removed, never a part that a task has written and nobody committed yet.
    table.vacuum(kept_hours, dry_run=False, enforce_retention_duration=False, full=False)
    files, folder = filesystem_of(uri)
    for path in found.orphaned:
        if files.get_file_info(f"{folder}/{path}").type == FileType.File:
            files.delete_file(f"{folder}/{path}")
    return found


def start_compaction(uri: str, spared: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    """Begin both in a child process, so that neither its time nor its memory is the caller's."""
    return subprocess.Popen([sys.executable, "-m", __spec__.name, uri, *spared], stdin=subprocess.DEVNULL)


def main() -> None:
    """The entry point."""
    configure_logging(log_format=load_settings().log.format)
    os.nice(_NICENESS)
    uri, *spared = sys.argv[1:]
    parts = compact(uri)
    vacuum(uri, spared)
    emit("delta.compacted", table=uri, parts=parts)


_PART = ("path", "size_bytes", f"partition.{DATE_COLUMN}")

if __name__ == "__main__":
    main()
