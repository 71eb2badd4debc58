"""Whether a disk that netheal writes to is full."""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.host.fsync import local_folder
from netheal.settings import Settings

MIB = 2**20
FULL_BYTES = 64 * MIB
"""Below this nothing can be relied on: PostgreSQL and the broker take space in pieces of 16 MiB and more."""
FREE_AGAIN_BYTES = 2 * FULL_BYTES


@dataclass(frozen=True)
class DiskSpace:
    """The file system that a folder is on, in bytes, as an unprivileged user may use it."""

    path: Path
    free_bytes: int
    total_bytes: int
    files_left: bool = True

    def __str__(self) -> str:
        """One sentence that says what is full and where."""
        if not self.files_left and self.free_bytes >= FULL_BYTES:
            return f"disk full: no more files can be made at {self.path}: delete some, netheal then continues by itself"
        free, total = size_text(self.free_bytes), size_text(self.total_bytes)
        return f"disk full: {free} of {total} free at {self.path}: free some, netheal then continues by itself"


def size_text(size_bytes: int) -> str:
    """A size for a person.

    >>> size_text(5 * 2**20), size_text(3 * 2**29), size_text(0)
    ('5 MiB', '1.5 GiB', '0 MiB')
    """
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes // MIB} MiB"


def existing_part(path: Path) -> Path:
    """The path itself, or the folder that is there and that it will be made in."""
    while not path.exists():
        path = path.parent
    return path


def disk_space(path: Path) -> DiskSpace:
    """What is left where `path` lies, or will lie."""
    found = os.statvfs(existing_part(path))
    size = found.f_frsize
    files_left = found.f_files == 0 or found.f_favail > 0  # some file systems do not count files
    return DiskSpace(path, found.f_bavail * size, found.f_blocks * size, files_left)


def write_error(folder: Path, error: OSError) -> NethealError:
    """What to raise where `folder` cannot be written: a full disk is waited out, anything else is for a person."""
    if error.errno == errno.ENOSPC:
        return ServiceUnavailable(str(disk_space(folder)))
    if error.errno == errno.EDQUOT:
        return ServiceUnavailable(
            f"disk full: the quota at {folder} is used up: free some, netheal then continues by itself"
        )
    return SettingsError(f"{folder} cannot be written ({error.strerror}): make it writable or set NETHEAL_VAR_DIR")


def written_folders(settings: Settings) -> list[Path]:
    """The local folders that netheal writes to."""
    paths = settings.paths
    roots = [local_folder(root) for root in (paths.artefacts_dir, paths.delta_root, paths.checkpoint)]
    return [paths.var_dir, *(root for root in roots if root is not None)]


class DiskWatch:
    """Remembers which disk is full, until there is clearly room again."""

    def __init__(self, folders: Iterable[Path], look: Callable[[Path], DiskSpace] = disk_space) -> None:
        self._folders = tuple(folders)
        self._look = look
        self._full: set[Path] = set()

    def full(self) -> DiskSpace | None:
        """The fullest disk, if it is full; one that was full is so until twice the room is there."""
        short = [space for folder in self._folders if self._is_short(folder, space := self._look(folder))]
        return min(short, key=lambda space: space.free_bytes, default=None)

    def _is_short(self, folder: Path, space: DiskSpace) -> bool:
        limit = FREE_AGAIN_BYTES if folder in self._full else FULL_BYTES
        short = space.free_bytes < min(limit, space.total_bytes) or not space.files_left
        (self._full.add if short else self._full.discard)(folder)
        return short
