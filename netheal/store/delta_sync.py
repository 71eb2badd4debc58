"""Delta tables on a local disk that outlive a power cut; an object store keeps what it acknowledged by itself."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from deltalake import DeltaTable

from netheal.host.fsync import local_folder, sync_files, sync_path

LOG_FOLDER = "_delta_log"
_LAST_CHECKPOINT = "_last_checkpoint"


def sync_parts(location: str, parts: Iterable[str]) -> None:
    """Wait until parts are on disk, named by their paths, from the table on or whole. To be called before a commit."""
    table = local_folder(location)
    if table is not None:
        paths = [table / part for part in parts]
        sync_files(paths)
        if paths:
            sync_path(table)  # the date's folder may be new


def sync_commits(location: str, versions: Iterable[int]) -> None:
    """Wait until these versions of the log, and the checkpoints of them that deltalake wrote, are on disk."""
    table = local_folder(location)
    if table is None:
        return
    log = table / LOG_FOLDER
    paths = []
    for version in versions:
        checkpoint = log / f"{version:020d}.checkpoint.parquet"
        paths += [log / f"{version:020d}.json"]
        paths += [checkpoint, log / _LAST_CHECKPOINT] if checkpoint.is_file() else []
    sync_files(path for path in paths if path.is_file())


def sync_table(location: str, versions: Iterable[int]) -> None:
    """The same for a table that may be new: its folders, too."""
    table = local_folder(location)
    if table is not None:
        sync_commits(location, versions)
        for folder in (table / LOG_FOLDER, table, table.parent):
            sync_path(folder)


@contextmanager
def synced_rewrite(table: DeltaTable) -> Iterator[None]:
    """Wait at the end until the parts and commits are on disk that deltalake wrote inside (a compaction, a deletion).

    It moves the table's state on by itself, so that what is new is told by the state before.
    """
    version, parts = table.version(), set(table.file_uris())
    yield
    table.update_incremental()
    sync_parts(table.table_uri, set(table.file_uris()) - parts)
    sync_commits(table.table_uri, range(version + 1, table.version() + 1))
