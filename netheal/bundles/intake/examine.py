"""The examination of one file, in this process: every step, then the report and the served form.

It executes nothing of the file, but it may run out of memory or time: `sandbox` runs it in a child.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles import training_histograms, training_ranges
from netheal.bundles.build import Origin
from netheal.bundles.intake.conversion import serve
from netheal.bundles.intake.decompress import is_hdf5, plain_bytes
from netheal.bundles.intake.fields import Fields
from netheal.bundles.intake.layouts import ModelParts, feature_names, model_parts, network_parts
from netheal.bundles.intake.limits import FILE_BYTES, MEGABYTE
from netheal.bundles.intake.probe_rows import typical_rows
from netheal.bundles.intake.profile import feature_definitions, read_profile, require_profile
from netheal.bundles.intake.report import STEPS, Report, Step
from netheal.bundles.intake.unpickle import unpickle
from netheal.bundles.intake.warnings import model_warnings
from netheal.bundles.parity import Answers, LoadedGraph
from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.contracts.contract import ModelType
from netheal.contracts.own_contract import contract_for
from netheal.errors import NethealError
from netheal.wording import cause, quoted

SUFFIXES = (".joblib", ".pkl", ".h5")
_TIMED_S = 0.02
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class ExaminationRequest:
    """What is to be examined: the file's name ends in `suffix`; `profile` is the JSON beside it."""

    suffix: str
    model_type: ModelType
    profile: bytes | None = None
    version: str | None = None


@dataclass(frozen=True)
class Examined:
    """The report, and the served form where every step passed; `interrupted` as in `confined_process.Outcome`."""

    report: Report
    bundle: ServedBundle | None
    interrupted: bool = False


@dataclass
class _Work:
    request: ExaminationRequest
    data: memoryview
    figures: dict[str, Any] = field(default_factory=dict)
    profile: Fields | None = None
    plain: memoryview = field(default_factory=lambda: memoryview(b""))
    value: Any = None
    parts: ModelParts | None = None
    contract: Contract | None = None
    bundle: ServedBundle | None = None
    warnings: list[str] = field(default_factory=list)


def examine(data: memoryview, request: ExaminationRequest) -> Examined:
    """Take a file through every step, up to the first that fails."""
    work = _Work(request, data)
    steps: list[Step] = []
    for name in STEPS:
        if steps and not steps[-1].passed:
            steps.append(Step(name, None, "not reached"))
        else:
            steps.append(_tried(name, work))
    report = Report(request.model_type, steps, work.figures, work.warnings)
    return Examined(report, work.bundle if report.accepted else None)


def _tried(name: str, work: _Work) -> Step:
    try:
        return Step(name, True, _STAGES[name](work))
    except NethealError as error:
        return Step(name, False, str(error)[:1000])
    except MemoryError:
        return Step(name, False, "reading the file takes more memory than a bundle may use")
    except _DAMAGE as error:
        return Step(name, False, f"the file is damaged: {cause(error)}")


def _file_format(work: _Work) -> str:
    size = work.data.nbytes
    work.figures |= {"file_bytes": size, "source_sha256": hashlib.sha256(work.data).hexdigest()}
    if work.request.suffix not in SUFFIXES:
        raise NethealError(f"a file ending in {quoted(work.request.suffix)} is none of {', '.join(SUFFIXES)}")
    if not 0 < size <= FILE_BYTES:
        raise NethealError(f"the file has {size} bytes: 1 to {FILE_BYTES // MEGABYTE} MB are accepted")
    if work.request.profile is not None:
        work.profile = read_profile(work.request.profile)
    hdf5 = is_hdf5(work.data)
    if hdf5 != (work.request.suffix == ".h5"):
        raise NethealError(f"the file's content is not what a {work.request.suffix} file holds")
    compression, work.plain = ("none", work.data) if hdf5 else plain_bytes(work.data)
    work.figures |= {"compression": compression, "plain_bytes": work.plain.nbytes}
    return f"{work.request.suffix} of {size:,} bytes, compression {compression}"


def _loading(work: _Work) -> str:
    if work.request.suffix == ".h5":
        from netheal.bundles.intake.h5 import read_network

        work.value = read_network(work.plain)
    else:
        work.value = unpickle(work.plain)
    return "read as data; nothing of the file was executed"


def _structure(work: _Work) -> str:
    if work.request.suffix == ".h5":
        if work.profile is None:
            raise NethealError("a bare .h5 needs a profile that names its features (expected_features)")
        parts = network_parts(work.value, feature_names(work.profile, "expected_features"))
    else:
        parts = model_parts(work.value, work.request.model_type, work.profile)
    work.parts, work.value = parts, None
    work.figures |= {"layout": parts.layout, "model": parts.model, "scaler": parts.scaler.kind}
    work.figures |= {"written_by": parts.written_by, "source_version": parts.version}
    return f"{parts.layout} layout, {parts.model}, scaler {parts.scaler.kind or 'none'}"


def _features(work: _Work) -> str:
    assert work.parts is not None
    declared = feature_definitions(work.profile)
    work.contract = contract_for(work.parts.features, work.request.model_type, declared)
    if work.profile is not None:
        require_profile(work.profile, work.parts)
    work.figures |= {
        "contract": work.contract.id,
        "contract_hash": work.contract.hash,
        "expected_features": list(work.contract.names),
        "class_labels": work.parts.classes if work.request.model_type == "attack_classifier" else ["Normal", "Attack"],
    }
    return f"{len(work.contract.names)} features of contract {work.contract.id}"


def _test_prediction(work: _Work) -> str:
    assert work.parts is not None
    assert work.contract is not None
    sha256 = work.figures["source_sha256"]
    kind = "ensemble" if work.parts.networks else "model"
    version = work.request.version or work.parts.version or f"{kind}_{sha256[:8]}"
    told = {"source_version": work.parts.version, "written_by": work.parts.written_by}
    facts = {"layout": work.parts.layout, "model": work.parts.model}
    facts |= {name: fact for name, fact in told.items() if fact is not None}
    bundle, graph = serve(work.parts, work.contract, Origin(version, sha256, facts))
    work.bundle = bundle = _with_training(bundle, work.profile)
    rows = typical_rows(work.contract, work.parts.scaler.scaling, work.parts.encoders)
    answers, rows_per_s = _timed(graph, rows)
    work.warnings = model_warnings(work.parts, work.contract, bundle.manifest, answers, rows_per_s)
    work.figures |= {
        "version": version,
        "parity": bundle.manifest.parity,
        "rows_per_s": rows_per_s,
        "onnx_bytes": len(bundle.onnx),
        "onnx_sha256": bundle.manifest.onnx_sha256,
        "bundle_hash": bundle.hash,
        "threshold": bundle.manifest.threshold,
    }
    parity = bundle.manifest.parity
    error = f"{parity['max_abs_error']:.1e}"
    return f"{parity['rows']} made-up rows, graph against plain numpy: every class the same, scores within {error}"


def _with_training(bundle: ServedBundle, profile: Fields | None) -> ServedBundle:
    """With what the profile says of the training rows."""
    if profile is not None and training_ranges.PROFILE_KEY in profile:
        bundle = training_ranges.with_ranges(bundle, profile.get(training_ranges.PROFILE_KEY))
    if profile is not None and training_histograms.PROFILE_KEY in profile:
        bundle = training_histograms.with_histograms(bundle, profile.get(training_histograms.PROFILE_KEY))
    return bundle


def _timed(graph: LoadedGraph, rows: NDArray[np.float64]) -> tuple[Answers, int]:
    """The graph's answers, and how many rows a second one thread answers."""
    answers, times, start = graph.answers(rows), 0, time.process_time()
    while not times or time.process_time() - start < _TIMED_S:
        graph.answers(rows)
        times += 1
    return answers, round(times * len(rows) / (time.process_time() - start))


_STAGES: dict[str, Callable[[_Work], str]] = {
    "file_format": _file_format,
    "loading": _loading,
    "structure": _structure,
    "features": _features,
    "test_prediction": _test_prediction,
}
