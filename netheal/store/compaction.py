"""Many small parts of a Delta table made into few large ones, by a process of its own.

    python -m netheal.store.compaction TABLE_URI [SPARED_PREFIX …]

A micro-batch adds a part a task and table, up to a million a day, and each costs every later commit a little time
and memory. Compaction changes no row; appends go on beside it. VACUUM then removes files that were written more than
`KEPT_HOURS` ago and that the log does not know, which are

- parts that a compaction or a deletion replaced, once the log has forgotten them. It remembers them for an hour, in
  which they stay however old they are: readers that have an older version of the table open still look for them.
- parts that a task wrote before it was killed, and that no later attempt removed. Those of batches that are open,
  whose names begin with a spared prefix, stay however old they are: they may be committed yet.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileType

from netheal.settings import load_settings
from netheal.store.delta import DATE_COLUMN
from netheal.store.delta_files import filesystem_of
from netheal.store.delta_sync import synced_rewrite
from netheal.telemetry import configure_logging, emit

KEPT_HOURS = 24
_REMOVALS_AT_ONCE = 8
"""Each is a question or two to an object store."""
TARGET_BYTES = 64 * 2**20
"""A part of this size is left as it is."""
_TRIES = 3
_COMMIT_INTERVAL = timedelta(minutes=1)
"""Much less than the log keeps versions."""
_NICENESS = 10


def compact(uri: str) -> int:
    """Compact the table; the number of parts replaced now."""
    for tries_left in reversed(range(_TRIES)):
        table = DeltaTable(uri)
        try:
            with synced_rewrite(table):
                # One task at a time: the stream's workers need the cores more.
                found = table.optimize.compact(
                    target_size=TARGET_BYTES, max_concurrent_tasks=1, min_commit_interval=_COMMIT_INTERVAL
                )
            return int(found["numFilesRemoved"])
        except DeltaError:  # another compaction, or a deletion, was quicker, or the versions since are gone already
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


def unneeded_files(table: DeltaTable, spared: Sequence[str] = ()) -> list[str]:
    """Paths, from the table on, of the files that VACUUM is to remove now.

    `spared`: beginnings of the names of parts that may be committed yet.
    """
    unknown = table.vacuum(KEPT_HOURS, dry_run=True, full=True)
    return sorted(path for path in unknown if not path.rpartition("/")[2].startswith(tuple(spared)))


def vacuum(uri: str, spared: Sequence[str] = ()) -> list[str]:
    """Remove the files that nothing needs any more; which they were. deltalake's own would not spare any."""
    found = unneeded_files(DeltaTable(uri), spared)
    remove_files(uri, found)
    return found


def remove_files(uri: str, paths: Sequence[str]) -> None:
    """Remove files that are named from the table on; one may be gone already."""
    files, folder = filesystem_of(uri)

    def remove(path: str) -> None:
        if files.get_file_info(f"{folder}/{path}").type == FileType.File:
            files.delete_file(f"{folder}/{path}")

    with ThreadPoolExecutor(_REMOVALS_AT_ONCE) as removals:
        list(removals.map(remove, paths))


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
