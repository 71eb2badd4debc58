"""The work of the confined process on a bundle: the examination, and what it found."""

import encodings.ascii
import encodings.cp437  # noqa: F401 - the next ones, too: once confined, the process can load no more code
import json

import numpy.ma
import numpy.random  # noqa: F401

from netheal.bundles.intake import h5, keras_archive  # noqa: F401
from netheal.bundles.intake.confinement import Confinement
from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.contracts import attack_classes, envelope_spellings, wire_contracts


def load() -> None:
    """Read what is read once a process, and from files."""
    attack_classes()
    wire_contracts()
    envelope_spellings()


def work(source: memoryview, request: list[memoryview], held: Confinement) -> list[bytes]:
    """The report as JSON, then the manifest and the graph where the file was accepted."""
    told = json.loads(bytes(request[0]))
    profile = bytes(request[1]) if len(request) > 1 else None
    examined = examine(source, ExaminationRequest(told["suffix"], told["model_type"], profile, told["version"]))
    document = examined.report.to_document()
    document["figures"] |= held.figures
    document["warnings"] += held.gaps
    report = json.dumps(document, allow_nan=False).encode()
    if examined.bundle is None:
        return [report]
    return [report, examined.bundle.manifest.to_json(), examined.bundle.onnx]
