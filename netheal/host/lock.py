"""One owner a folder: a lock that the kernel lets go of when its process ends, however it ends."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from netheal.errors import SettingsError


class FolderLock:
    """Held from `acquire` to `release`; children of ours do not inherit it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None

    def acquire(self) -> None:
        """Take it; raises SettingsError where another process holds it."""
        if self._file is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise SettingsError(
                f"netheal is already running in {self.folder} (process {holder}): "
                "stop it first, or give this one a folder of its own with NETHEAL_VAR_DIR"
            ) from None
        self._file = file
        with suppress(OSError):  # on a full disk: the lock holds, only its holder is not named
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let it go; the file stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def held_elsewhere(self) -> bool:
        """Whether another process holds it now."""
        try:
            with FolderLock(self.folder):
                return False
        except SettingsError:
            return True

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
