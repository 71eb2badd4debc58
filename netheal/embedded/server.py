"""What the embedded servers have in common: a folder of their own, a child process, a remembered port."""

import threading
from abc import ABC, abstractmethod
from pathlib import Path

from netheal.host.child import Child
from netheal.host.lock import FolderLock

START_BOUND_S = 180.0
"""A server that is not up by then never will be: also a machine under load is faster."""
_FAILED_START_STOP_S = 5.0


class EmbeddedServer(ABC):
    """A server whose data live in `folder`, one at a time; `port` 0 means: the port of last time, or a free one."""

    def __init__(self, folder: Path, port: int, log_dir: Path) -> None:
        self.folder = folder.absolute()
        self.log_dir = log_dir.absolute()
        self._wanted_port = port
        self._lock = FolderLock(self.folder)
        self._child: Child | None = None
        self._port = 0
        self._announced = False

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._child.pid if self._child else None

    def prepare(self) -> None:
        """Take the folder and settle the port: the address is known from now on, the server need not run yet."""
        self._lock.acquire()
        try:
            # Others may have been told: until it is stopped on purpose the port is no other one.
            self._prepare(self._port if self._announced else self._wanted_port)
        except BaseException:
            self._lock.release()
            raise
        self._announced = True

    def start(self, deadline_s: float = START_BOUND_S, cancelled: threading.Event | None = None) -> None:
        """Return when it serves, on the port it had before if it had one.

        Raises SettingsError, ServiceUnavailable, or Cancelled once `cancelled` is set; then nothing runs.
        """
        if self.alive:
            return
        self.prepare()
        try:
            self._start(deadline_s, cancelled)
        except BaseException:
            self._end(_FAILED_START_STOP_S)
            raise

    def stop(self, bound_s: float = 20.0) -> None:
        """End it in an orderly way; killed after the bound."""
        self._announced = False
        self._end(bound_s)

    def _end(self, bound_s: float) -> None:
        try:
            if self._child is not None:
                self._child.stop(bound_s)
        finally:
            self._lock.release()

    def kill(self) -> None:
        """SIGKILL, for tests of what comes after."""
        if self._child is not None:
            self._child.kill()

    @abstractmethod
    def _prepare(self, wanted_port: int) -> None:
        """End what an earlier run left behind, and settle the port: the wanted one, or where that is 0 a free one."""

    @abstractmethod
    def _start(self, deadline_s: float, cancelled: threading.Event | None) -> None:
        """Start the child and wait until it serves."""
