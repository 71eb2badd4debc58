"""What the report of an accepted file tells, in a shape that its readers rely on."""

import json
from typing import Any

import numpy as np
import pytest
import sklearn.base
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.intake import warnings
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.intake.report import STEPS, report_from
from netheal.contracts import ModelType, contract
from tests.unit.bundles.intake.honest_bundles import honest, packed

FIGURES = {
    "file_bytes": int,
    "source_sha256": str,
    "compression": str,
    "plain_bytes": int,
    "layout": str,
    "model": str,
    "scaler": str,
    "written_by": str,
    "source_version": str,
    "contract": str,
    "contract_hash": str,
    "expected_features": list,
    "class_labels": list,
    "version": str,
    "parity": dict,
    "rows_per_s": int,
    "onnx_bytes": int,
    "onnx_sha256": str,
    "bundle_hash": str,
    "threshold": float,
}


def _examined(
    layout: dict[str, Any], model_type: ModelType = "attack_classifier", version: str | None = None
) -> Examined:
    suffix, data = packed(layout, "none")
    return examine(memoryview(data), ExaminationRequest(suffix, model_type, None, version))


def test_the_figures_are_all_there() -> None:
    found = _examined(honest("tree", model_type="threat_detector").layout, "threat_detector")
    document = found.report.to_document()
    assert list(document) == ["accepted", "model_type", "steps", "figures", "warnings"]
    assert [step["name"] for step in document["steps"]] == list(STEPS)
    assert {name: type(value) for name, value in document["figures"].items()} == FIGURES
    assert set(document["figures"]["parity"]) == {"rows", "max_abs_error", "label_mismatches"}
    assert found.bundle is not None
    assert document["figures"]["onnx_bytes"] == len(found.bundle.onnx)
    assert document["figures"]["contract_hash"] == contract("threat/v1").hash
    assert document["figures"]["rows_per_s"] > 0


def test_a_report_survives_json_with_and_without_warnings() -> None:
    report = _examined(honest("tree", "none").layout).report
    assert report.warnings
    assert report_from(json.loads(json.dumps(report.to_document()))) == report
    older = {name: part for name, part in report.to_document().items() if name != "warnings"}
    assert report_from(older).warnings == []


def test_the_version_inside_the_file_is_kept() -> None:
    found = _examined(honest("tree").layout, version="mine_v1")
    assert found.bundle is not None
    assert found.bundle.manifest.version == "mine_v1"
    assert found.bundle.manifest.training["source_version"] == "decision_tree_v2_20241201"
    assert found.bundle.manifest.training["written_by"].startswith("scikit-learn 1.")
    assert any("decision_tree_v2_20241201" in warning for warning in found.report.warnings)


def _warned(layout: dict[str, Any], words: str, model_type: ModelType = "attack_classifier") -> bool:
    report = _examined(layout, model_type).report
    assert report.accepted, report.reason
    return any(words in warning for warning in report.warnings)


def test_what_a_person_should_know_is_said() -> None:
    threat = honest("tree", model_type="threat_detector")
    assert _warned(honest("tree", "none").layout, "no scaler")
    assert not _warned(honest("tree").layout, "no scaler")
    assert _warned(honest("tree").layout, "never says")
    assert _warned({**threat.layout, "label_encoders": None}, "no encoder for service, flag", "threat_detector")
    assert not _warned(threat.layout, "no encoder", "threat_detector")


def test_features_of_its_own_are_said() -> None:
    threat = honest("tree", model_type="threat_detector").layout
    threat["selected_features"] = ["duration", *threat["selected_features"][1:]]
    assert _warned(threat, "contract of its own", "threat_detector")


def test_a_slow_model_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _warned(honest("tree").layout, "it is slow")
    monkeypatch.setattr(warnings, "SLOW_ROWS_PER_S", 10**9)
    assert _warned(honest("tree").layout, "below 1,000,000,000 the stream may fall behind")


def test_a_model_that_always_says_the_same_is_said() -> None:
    made = honest("tree")
    model = DecisionTreeClassifier(max_depth=2).fit(made.rows, np.arange(len(made.rows)) % 4)
    model.tree_.value[:] = [1.0, 0.0, 0.0, 0.0]
    assert _warned({**made.layout, "model": model}, "same class")


def test_an_untried_version_of_scikit_learn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = honest("tree").layout
    monkeypatch.setattr(sklearn.base, "__version__", "1.2.9")
    assert _warned(layout, "scikit-learn 1.2.9")
