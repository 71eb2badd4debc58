"""Many small parts of a Delta table made into few large ones, by a process of its own.

    python -m netheal.store.compaction TABLE_URI

A micro-batch adds a part a task and table, some hundred thousand a day, and each costs every later commit a
little time and memory. Compaction changes no row; appends go on beside it. The parts it replaced stay
for `KEPT_HOURS`, for readers that have the older version of the table open. Parts that a task wrote before it was
killed belong to no version; where no later attempt removed them, they go after `ORPHAN_HOURS`.
"""

import os
import subprocess
import sys

from deltalake import DeltaTable

from netheal.store.delta_sync import synced_rewrite
from netheal.telemetry import configure_logging, emit

KEPT_HOURS = 24
ORPHAN_HOURS = 7 * 24
TARGET_BYTES = 64 * 2**20
"""A part of this size is left as it is."""
_NICENESS = 10


def compact(uri: str, kept_hours: int = KEPT_HOURS) -> int:
    """Compact the table, remove what was replaced or never committed long ago; the number of parts replaced now."""
    table = DeltaTable(uri)
    with synced_rewrite(table):
        # One task at a time: the stream's workers need the cores more.
        found = table.optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1)
    # "Lite": only what the log says was removed, never a part that a task has written and nobody committed yet.
    table.vacuum(retention_hours=kept_hours, dry_run=False, enforce_retention_duration=False, full=False)
    table.vacuum(retention_hours=ORPHAN_HOURS, dry_run=False, full=True)
    return int(found["numFilesRemoved"])


def start_compaction(uri: str) -> "subprocess.Popen[bytes]":
    """Begin it in a child process, so that neither its time nor its memory is the caller's."""
    return subprocess.Popen([sys.executable, "-m", __spec__.name, uri], stdin=subprocess.DEVNULL)


def main() -> None:
    """The entry point."""
    configure_logging()
    os.nice(_NICENESS)
    (uri,) = sys.argv[1:]
    emit("delta.compacted", table=uri, parts=compact(uri))


if __name__ == "__main__":
    main()
