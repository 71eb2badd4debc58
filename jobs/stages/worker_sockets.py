"""The folder of the Unix sockets by which Spark's JVMs and Python processes talk, which only their user can enter.

Over TCP a task would get its data 40 ms late: the JVM holds them back until Python acknowledges the command before
them (Nagle's algorithm), and Python's kernel waits for something to send along with that.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_LONGEST = 60
"""Characters of the folder's path that Spark allows: that of a socket in it has a limit in the kernel."""
_PREFIX = "sock"


@cache
def socket_properties() -> Mapping[str, str]:
    """Spark's properties for sockets in the one folder of this process, which is removed when it ends.

    The daemons of Python workers on other machines make a folder of the same path and leave it: see `claim_folder`.
    """
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=_short_enough())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"spark.python.unix.domain.socket.enabled": "true", "spark.python.unix.domain.socket.dir": folder}


def _short_enough() -> str:
    """The folder for temporary files; the system's where paths in it get too long."""
    folder = tempfile.gettempdir()
    return folder if len(f"{folder}/{_PREFIX}12345678") <= _LONGEST else "/tmp"


def claim_folder(folder: Path) -> None:
    """Make the folder where it is not there yet; raises PermissionError where others could enter it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = folder.lstat()
    if there.st_uid != os.getuid() or there.st_mode & 0o077:
        raise PermissionError(f"others than this user can enter {folder}, where Spark's sockets are to be: remove it")
