"""What the process that reads a foreign file does to itself, before it looks at the file.

Promised on every Linux:

- limits on memory, computing time, what is written and open files; no core dump, no environment;
- `no_new_privs`: no program that it might start has more rights than it has.

Where the kernel is of an architecture in `system_calls`, which are those netheal is built for: a filter that lets
through only the system calls by which a process computes, reads and writes what is open already, and ends. It opens no
file, starts no process, reaches no network, and changes no other process, whoever it runs as.

Where netheal runs as root: it becomes a user and a group that nobody else has, so that without the filter, too, it
reads and changes only what is open to everybody.

Where it may unshare (as root with all rights, or by a kernel with user namespaces): it has a network of its own
without any interface.

`Confinement` says which of them hold; each one that does not is a warning in the report of the file.
"""

import contextlib
import ctypes
import os
import pwd
import resource
from dataclasses import dataclass
from pathlib import Path

from netheal.bundles.intake.limits import MEGABYTE
from netheal.bundles.intake.system_calls import filter_system_calls

MEMORY_BYTES = 1024 * MEGABYTE
CPU_S = 8
WRITTEN_BYTES = 256 * MEGABYTE
OPEN_FILES = 64
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_FIRST_USER, _USERS = 64_000, 1_000
"""Numbers that no distribution gives to an account, and that a container's map of 65,536 has."""


@dataclass(frozen=True)
class Confinement:
    """Which of the promises that depend on the system hold; `other_user` is None where it was not root anyway."""

    no_network: bool
    other_user: bool | None
    filtered: bool

    @property
    def figures(self) -> dict[str, str]:
        """The same in words, for a report."""
        user = {None: "that of netheal, which is not root", True: "one of its own", False: "root"}
        return {
            "network": "none" if self.no_network or self.filtered else "not taken away",
            "user": user[self.other_user],
            "system_calls": "filtered" if self.filtered else "all",
        }

    @property
    def gaps(self) -> list[str]:
        """A sentence for each promise that this system does not let us keep."""
        reader = "the process that read the file"
        promises = (
            (self.no_network or self.filtered, f"this system does not let {reader} leave the network"),
            (self.other_user is not False, f"this system does not let {reader} give up root"),
            (self.filtered, f"this system does not filter the system calls of {reader}"),
        )
        return [sentence for holds, sentence in promises if not holds]


def leave_network() -> bool:
    """Move this process, still of one thread, to a network of its own without any interface; False if it may not.

    Root does so without a user namespace: within one it could not become another user.
    """
    with contextlib.suppress(OSError):
        os.unshare(os.CLONE_NEWNET if os.geteuid() == 0 else os.CLONE_NEWUSER | os.CLONE_NEWNET)
        return True
    return False


def confine(no_network: bool) -> Confinement:
    """Give up everything that reading a file does not take: all code must be loaded and all files open.

    `no_network` is what `leave_network` said before the code was loaded.
    """
    set_limits()
    other_user = _become_another_user() if os.geteuid() == 0 else None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return Confinement(no_network or leave_network(), other_user, filter_system_calls())


def set_limits() -> None:
    """Memory beyond what the imports took, CPU seconds beyond those used, file sizes, open files, processes."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES)
    # Only below the hard limit comes a signal that tells it from memory that ran out: SIGXCPU.
    _limit(resource.RLIMIT_CPU, spent + CPU_S, spent + CPU_S + 1)
    _limit(resource.RLIMIT_FSIZE, WRITTEN_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)


def _limit(what: int, most: int, hard: int | None = None) -> None:
    given = resource.getrlimit(what)[1]
    limits = [most, most if hard is None else hard]
    if given != resource.RLIM_INFINITY:
        limits = [min(limit, given) for limit in limits]
    resource.setrlimit(what, (limits[0], limits[1]))


def _become_another_user() -> bool:
    """Not `nobody`: the embedded PostgreSQL runs as that."""
    number = _unused_number()
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    except OSError:
        return False
    return True


def _unused_number() -> int:
    """Another one for each process that runs at the same time."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    first = _FIRST_USER + os.getpid() % _USERS
    return next(number for number in range(first, first + _USERS) if number not in taken)
