"""Work on a foreign file in a child process that can do nothing else."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import netheal
from netheal.bundles.intake.confined_main import OUT_OF_MEMORY
from netheal.bundles.intake.confinement import CPU_S, MEMORY_BYTES
from netheal.bundles.intake.length_prefixed import mmap_file, read_frames, write_frames
from netheal.bundles.intake.limits import MEGABYTE
from netheal.errors import BundleError, ServiceUnavailable

WALL_S = 60.0
_LOG_BYTES = 4096
_INTERRUPTIONS = (-signal.SIGXCPU, -signal.SIGKILL)
_START = "import sys; sys.path.insert(0, sys.argv[1]); from netheal.bundles.intake.confined_main import main; main()"
_ROOT = str(Path(netheal.__file__).resolve().parent.parent)


@dataclass(frozen=True)
class Outcome:
    """The frames that the child left, or why it left none.

    `interrupted`: it was out of time or was killed, which on a busy machine may happen to any file.
    """

    frames: list[memoryview] = field(default_factory=list)
    failure: str = ""
    interrupted: bool = False


def run_confined(module: str, source: IO[bytes], order: Sequence[bytes], doing: str, wall_s: float) -> Outcome:
    """Have `module.work` done on an open, real file. `doing` says what that is: "reading the file".

    Raises ServiceUnavailable where this machine cannot run it now: a full disk, no more processes.
    """
    try:
        return _run_confined(module, source, order, doing, wall_s)
    except OSError as error:
        raise ServiceUnavailable(f"{doing} is not possible now: {error.strerror or error}") from error


def _run_confined(module: str, source: IO[bytes], order: Sequence[bytes], doing: str, wall_s: float) -> Outcome:
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
        write_frames(told, order)
        source.seek(0)
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", _START, _ROOT, module, str(told.fileno())],
                stdin=source,
                stdout=answer,
                stderr=log,
                pass_fds=(told.fileno(),),
                cwd="/",
                env={},
                timeout=wall_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return Outcome(failure=f"{doing} takes longer than {wall_s:.0f} s: it was stopped", interrupted=True)
        failure = _failure(doing, done.returncode, log)
        if failure:
            return Outcome(failure=failure, interrupted=done.returncode in _INTERRUPTIONS)
        try:
            return Outcome(read_frames(mmap_file(answer.fileno())))
        except BundleError:
            return Outcome(failure=f"the process that was {doing} left no whole answer")


def _failure(doing: str, status: int, log: IO[bytes]) -> str:
    """Why the child did not answer; empty where it did."""
    if status == 0:
        return ""
    if status == -signal.SIGXCPU:
        return f"{doing} takes more than {CPU_S} s of computing: it was stopped"
    if status == -signal.SIGKILL:  # the hard limit of computing time, or the system short of memory, does that
        return (
            f"{doing} was stopped by the system: it takes more than {CPU_S} s of computing, or memory has run out on"
            " this machine; try again, or train a smaller model"
        )
    if status in (OUT_OF_MEMORY, -signal.SIGSEGV, -signal.SIGABRT):
        return f"{doing} takes more than {MEMORY_BYTES // MEGABYTE} MB of memory: train a smaller model"
    return f"{doing} failed ({_last_line(log) or f'status {status}'}): it was refused"


def _last_line(log: IO[bytes]) -> str:
    """What the child said last, as printable text."""
    log.seek(max(0, log.seek(0, 2) - _LOG_BYTES))
    lines = log.read().decode("utf-8", "replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(char for char in last if char.isprintable())[:200]
