"""The door for files from outside: the examination in a child process that can do nothing else.

What the child cannot do is said in `confine`. It gets the file as its standard input, and answers with JSON and the
served form only.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import IO

from netheal.bundles.intake.confined_process import WALL_S, run_confined
from netheal.bundles.intake.examine import ExaminationRequest, Examined
from netheal.bundles.intake.limits import FILE_BYTES, MEGABYTE
from netheal.bundles.intake.report import Report, failed_at, report_from
from netheal.bundles.served import ServedBundle, parse_manifest
from netheal.errors import BundleError, NethealError

_REPORT_BYTES = 16 * MEGABYTE
_WORK = "netheal.bundles.intake.examination_worker"


def examine_file(path: Path, request: ExaminationRequest, wall_s: float = WALL_S) -> Examined:
    """Examine the file at `path` in a child process. Never raises for what is in the file.

    Raises BundleError where the file cannot be opened, and ServiceUnavailable where this machine is too short of
    something to examine any.
    """
    try:
        source = path.open("rb")
    except OSError as error:
        raise BundleError(f"cannot read {path.name}: {error.strerror}") from error
    with source:
        return examine_stream(source, request, wall_s)


def examine_stream(source: IO[bytes], request: ExaminationRequest, wall_s: float = WALL_S) -> Examined:
    """The same of a real file that is open for reading, from its beginning."""
    source.seek(0, 2)
    if source.tell() > FILE_BYTES:
        most = f"at most {FILE_BYTES // MEGABYTE} MB are accepted"
        return Examined(failed_at(request.model_type, "file_format", f"the file is too large: {most}"), None)
    told = {"suffix": request.suffix, "model_type": request.model_type, "version": request.version}
    frames = [json.dumps(told).encode(), *([] if request.profile is None else [request.profile])]
    outcome = run_confined(_WORK, source, frames, "reading the file", wall_s)
    if outcome.failure:
        return Examined(failed_at(request.model_type, "loading", outcome.failure), None, outcome.interrupted)
    return _collected(outcome.frames, request)


def _collected(frames: list[memoryview], request: ExaminationRequest) -> Examined:
    """The child's answer, taken for no more than it is."""
    report: Report | None = None
    with suppress(ValueError, KeyError, TypeError):
        if frames and frames[0].nbytes <= _REPORT_BYTES:
            report = report_from(json.loads(bytes(frames[0])))
    if report is None:
        return Examined(failed_at(request.model_type, "loading", "the process that read the file left no report"), None)
    if not report.accepted:
        return Examined(report, None)
    try:
        if len(frames) != 3:
            raise BundleError("the process that read the file left no served form")
        return Examined(report, ServedBundle(parse_manifest(bytes(frames[1])), bytes(frames[2])))
    except NethealError as error:
        return Examined(failed_at(request.model_type, "test_prediction", str(error)), None)
