"""What the child process does to itself before it looks at a file: no network, no new programs, limits."""

import contextlib
import ctypes
import os
import resource
from pathlib import Path

from netheal.bundles.intake.limits import MEGABYTE

MEMORY_BYTES = 1024 * MEGABYTE
CPU_S = 8
WRITTEN_BYTES = 256 * MEGABYTE
OPEN_FILES = 64
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4


def leave_network() -> bool:
    """Move this process, still of one thread, to a network of its own without any interface; False if it may not."""
    for flags in (os.CLONE_NEWNET, os.CLONE_NEWUSER | os.CLONE_NEWNET):
        with contextlib.suppress(OSError):
            os.unshare(flags)
            return True
    return False


def set_limits() -> None:
    """Memory beyond what the imports took, CPU seconds beyond those used, file sizes, open files, processes."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, spent + CPU_S)
    _limit(resource.RLIMIT_FSIZE, WRITTEN_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
