"""A filter of system calls (seccomp), by the kernel's own interface: no library for it needs to be installed.

The list says what is let through; every other call fails with EPERM, which libraries know how to go on from.
"""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

_LOAD_WORD, _JUMP_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`; of an argument the lower half."""

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_KILL = 0x80000000
_CLONE_THREAD = 0x00010000
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_COMPUTING = {
    # memory
    "brk": (12, 214),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    # what is open already
    "close": (3, 57),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "read": (0, 63),
    "readv": (19, 65),
    "write": (1, 64),
    "writev": (20, 66),
    # time, and waiting for it or for a thread of its own
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "futex": (202, 98),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "sched_yield": (24, 124),
    "time": (201, None),
    # itself
    "exit": (60, 93),
    "exit_group": (231, 94),
    "getcpu": (309, 168),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "membarrier": (324, 283),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "set_robust_list": (273, 99),
    "sigaltstack": (131, 132),
    "sysinfo": (99, 179),
    "uname": (63, 160),
}
"""What is let through: the call's number on x86_64 and on aarch64."""


@dataclass(frozen=True)
class _Architecture:
    audit: int
    column: int
    clone: int
    clone3: int
    tgkill: int
    seccomp: int


_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 0, clone=56, clone3=435, tgkill=234, seccomp=317),
    "aarch64": _Architecture(0xC00000B7, 1, clone=220, clone3=435, tgkill=131, seccomp=277),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_system_calls() -> bool:
    """Let this process, all its threads, and whatever they start, only compute from now on.

    `no_new_privs` must be set. False where the kernel has no such filter, or is of another architecture.
    """
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    code = _program(known, os.getpid())
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(known.seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0)


def _program(known: _Architecture, pid: int) -> bytes:
    """The filter: a thread may be started, a signal sent to this process itself, and what is listed be called.

    glibc starts threads by clone3, whose flags no filter sees, and by clone where that is absent. On x86_64 the
    numbers of the x32 variant are others than those listed.
    """
    numbers = [numbers[known.column] for numbers in _COMPUTING.values()]
    return b"".join(
        [
            _step(_LOAD_WORD, _ARCHITECTURE),
            _step(_JUMP_EQUAL, known.audit, 1, 0),
            _step(_RETURN, _KILL),
            _step(_LOAD_WORD, _NUMBER),
            *_returned(known.clone3, _ABSENT),
            *(step for number in numbers if number is not None for step in _returned(number, _ALLOW)),
            *_by_argument(known.clone, _JUMP_ANY_BIT, _CLONE_THREAD),
            *_by_argument(known.tgkill, _JUMP_EQUAL, pid),
            _step(_RETURN, _REFUSE),
        ]
    )


def _returned(number: int, answer: int) -> list[bytes]:
    return [_step(_JUMP_EQUAL, number, 0, 1), _step(_RETURN, answer)]


def _by_argument(number: int, test: int, value: int) -> list[bytes]:
    """Let a call through where its first argument passes the test, else refuse it."""
    return [
        _step(_JUMP_EQUAL, number, 0, 4),
        _step(_LOAD_WORD, _FIRST_ARGUMENT),
        _step(test, value, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _REFUSE),
    ]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One `struct sock_filter`."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
