"""The door for files from outside: the examination in a child process that can do nothing else.

The child has an empty environment, no network where the system allows it, and limits on memory, time and
what it writes. It gets the file as its standard input, and answers with JSON and the served form only.
"""

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import netheal
from netheal.bundles.intake.child import ORDER, PROFILE, REPORT, SERVED
from netheal.bundles.intake.confine import CPU_S, MEMORY_BYTES
from netheal.bundles.intake.examine import Examined, Order
from netheal.bundles.intake.limits import FILE_BYTES, MEGABYTE
from netheal.bundles.intake.report import Report, failed_at, report_from
from netheal.bundles.served import read_served
from netheal.errors import BundleError, NethealError

WALL_S = 60.0
_REPORT_BYTES = 16 * MEGABYTE
_START = "import sys; sys.path.insert(0, sys.argv[1]); from netheal.bundles.intake.child import main; main()"


def examine_file(path: Path, order: Order, wall_s: float = WALL_S) -> Examined:
    """Examine the file at `path` in a child process. Never raises for what is in the file.

    Raises BundleError where the file cannot be opened.
    """
    try:
        with path.open("rb") as source:
            return examine_stream(source, order, wall_s)
    except OSError as error:
        raise BundleError(f"cannot read {path.name}: {error.strerror}") from error


def examine_stream(source: IO[bytes], order: Order, wall_s: float = WALL_S) -> Examined:
    """The same of a real file that is open for reading, from its beginning."""
    source.seek(0, 2)
    if source.tell() > FILE_BYTES:
        most = f"at most {FILE_BYTES // MEGABYTE} MB are accepted"
        return Examined(failed_at(order.model_type, "file_format", f"the file is too large: {most}"), None)
    source.seek(0)
    with tempfile.TemporaryDirectory(prefix="netheal-intake-") as name:
        folder = Path(name)
        told = {"suffix": order.suffix, "model_type": order.model_type, "version": order.version}
        (folder / ORDER).write_text(json.dumps(told), "utf-8")
        if order.profile is not None:
            (folder / PROFILE).write_bytes(order.profile)
        ending = _run(source, folder, wall_s)
        if ending:
            return Examined(failed_at(order.model_type, "loading", ending), None)
        return _collect(folder, order)


def _run(source: IO[bytes], folder: Path, wall_s: float) -> str:
    """Run the child; why it did not answer, or nothing."""
    root = str(Path(netheal.__file__).resolve().parent.parent)
    with (folder / "log").open("wb") as log:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", _START, root],
                stdin=source,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={},
                timeout=wall_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return f"reading the file takes longer than {wall_s:.0f} s: it was stopped"
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading the file takes more than {CPU_S} s of computing: it was stopped"
    if done.returncode in (-signal.SIGSEGV, -signal.SIGABRT):
        return f"reading the file takes more than {MEMORY_BYTES // MEGABYTE} MB of memory: train a smaller model"
    if done.returncode or not (folder / REPORT).exists():
        return f"reading the file ended the process that read it (status {done.returncode}): it was refused"
    return ""


def _collect(folder: Path, order: Order) -> Examined:
    """The child's answer, taken for no more than it is."""
    report: Report | None = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        if (folder / REPORT).stat().st_size <= _REPORT_BYTES:
            report = report_from(json.loads((folder / REPORT).read_text("utf-8")))
    if report is None:
        return Examined(failed_at(order.model_type, "loading", "the process that read the file left no report"), None)
    if not report.accepted:
        return Examined(report, None)
    try:
        return Examined(report, read_served(folder / SERVED))
    except NethealError as error:
        return Examined(failed_at(order.model_type, "test_prediction", str(error)), None)
