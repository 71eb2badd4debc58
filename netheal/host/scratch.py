"""Temporary files of a process and of its children: in the var folder, not in the system's.

A process that is killed leaves its folder behind. The next one of the same name removes it: a folder whose
lock is free belongs to nobody that lives.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from netheal.host.disk import write_error

_held: list[int] = []
"""Locks of this process's folders, open as long as it, or a fork of it, lives."""


@cache
def use_scratch_folder(root: Path, name: str) -> Path:
    """Make a folder `name-…` below `root` the place of temporary files from now on, of this process and its children.

    It is removed when the process ends. Raises SettingsError where it cannot be made, and
    ServiceUnavailable where the disk is full.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        making = _lock(root, wait=True)
        try:
            _remove_abandoned(root, name)
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
            _held.append(_lock(folder, wait=True))
        finally:
            os.close(making)
        folder.chmod(0o711)  # a child that runs as another user may pass, not look around
    except OSError as error:
        raise write_error(root, error) from error
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    atexit.register(_remove_own, folder, os.getpid())
    return folder


def _lock(folder: Path, wait: bool) -> int:
    """The open file that holds the folder's lock; raises BlockingIOError where another process has it."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(file)
        raise
    return file


def _remove_abandoned(root: Path, name: str) -> None:
    for folder in root.glob(f"{name}-*"):
        try:
            file = _lock(folder, wait=False)
        except OSError:  # in use, or no folder
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(file)


def _remove_own(folder: Path, pid: int) -> None:
    """Not in a fork, which runs this too as it ends."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
