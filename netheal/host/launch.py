"""Runs as a script of its own between us and a child: ties its life to ours, gives up root, becomes it.

Called as `python -I -S launch.py SPEC PROGRAM ARGUMENT…`, SPEC being JSON. Only the standard library is
imported, and nothing of netheal, so that a child costs no more than this file.
"""

import ctypes
import json
import os
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522


def _prctl(option: int, first: int, second: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {first})")


def end_with_parent(death_signal: int) -> None:
    """This process gets the signal when its parent ends, however that happens; on Linux alone."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, death_signal)


def _keep_only(capability: int) -> None:
    """Permitted, effective and inheritable become this one capability, which exec then keeps."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    bits = 1 << capability
    data = ctypes.create_string_buffer(struct.pack("=6I", bits, bits, bits, 0, 0, 0))
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), f"capset({capability})")
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _pass_closed_folders() -> None:
    """Let the new user through folders that only root may enter."""
    try:
        _keep_only(CAP_DAC_READ_SEARCH)
    except OSError:  # containers commonly hold only the other one
        _keep_only(CAP_DAC_OVERRIDE)


def _become(uid: int, gid: int, closed: bool) -> None:
    if closed:
        # Else the change of user drops every capability, and access(2), which PostgreSQL looks for its own
        # binaries with, would go without them even after one was taken up again.
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if closed:
        _pass_closed_folders()


def main() -> None:
    """Replace this process by the program; exits 127 with one line on stderr where that fails."""
    spec = json.loads(sys.argv[1])
    try:
        if spec["uid"] is not None:
            _become(spec["uid"], spec["gid"], spec["closed"])
        end_with_parent(spec["death_signal"])  # after the change of user, which clears it
        if os.getppid() != spec["parent"]:
            return
        os.execve(sys.argv[2], sys.argv[2:], dict(os.environ))
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[2]}: {error}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
