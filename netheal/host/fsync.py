"""Files that outlive a power cut: on a local file system a write is durable once file and folder are synced."""

import os
from collections.abc import Iterable
from pathlib import Path


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until the files, and their names in their folders, are on disk."""
    folders: dict[Path, None] = {}
    for path in paths:
        sync_path(path)
        folders[path.parent] = None
    for folder in folders:
        sync_path(folder)


def sync_path(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def local_folder(location: str) -> Path | None:
    """The folder that a path or URI names, None where it is not on a local file system."""
    if location.startswith("file:"):
        return Path(location.removeprefix("file:").removeprefix("//"))
    return None if "://" in location else Path(location)
