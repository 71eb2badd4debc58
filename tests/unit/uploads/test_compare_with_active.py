"""Two models on the same rows in a confined process: figures, or which of them failed."""

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netheal.bundles.intake.confined_process import run_confined
from netheal.bundles.intake.length_prefixed import write_frames
from netheal.bundles.served import ServedBundle
from netheal.errors import ModelFailure
from netheal.uploads import compare_with_active

WORK = "netheal.uploads.comparison_worker"


def compared(first: ServedBundle, second: ServedBundle, rows: np.ndarray) -> dict[str, object]:
    with tempfile.TemporaryFile() as source:
        for bundle in (first, second):
            write_frames(source, [bundle.manifest.to_json(), bundle.onnx, rows.tobytes()])
        outcome = run_confined(WORK, source, [], "scoring stored rows", 60)
    assert not outcome.failure, outcome.failure
    return dict(json.loads(bytes(outcome.frames[0])))


def test_differing_answers_are_counted_and_a_failure_is_told(threat_bundle: ServedBundle) -> None:
    rows = np.abs(np.random.default_rng(1).normal(size=(300, 10)))
    never = ServedBundle(replace(threat_bundle.manifest, threshold=2.0), threat_bundle.onnx)
    found = compared(threat_bundle, never, rows)
    assert found["rows"] == 300
    assert compared(threat_bundle, threat_bundle, rows) == {"rows": 300, "differing": 0}
    broken = replace(threat_bundle.manifest, onnx_sha256=hashlib.sha256(b"none").hexdigest())
    bad = ServedBundle(broken, b"none")
    assert compared(bad, threat_bundle, rows)["failed"] == bad.hash


def test_a_failure_is_raised_as_one_of_the_model(
    threat_bundle: ServedBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(threat_bundle.manifest, onnx_sha256=hashlib.sha256(b"none").hexdigest())
    bad = ServedBundle(broken, b"none")
    rows = np.ones((3, 10))
    monkeypatch.setattr(compare_with_active, "common_rows", lambda *_: (rows, rows))
    with pytest.raises(ModelFailure) as failure:
        compare_with_active.compare(bad, threat_bundle, str(tmp_path))
    assert failure.value.bundle_hash == bad.hash
    assert compare_with_active.compare(threat_bundle, threat_bundle, str(tmp_path)).rows == 3
