"""Honest bundles over estimators, layouts, compressions and protocols are accepted, and predict as the original."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from netheal.bundles.build import class_ids
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.parity import run_graph
from netheal.contracts import ModelType
from tests.unit.bundles.intake.honest_bundles import CLASSES, MODELS, SCALERS, Honest, dumped, honest, packed

MODELS_FOLDER = Path(__file__).parents[4] / "research" / "models"
PACKINGS = ["pkl2", "pkl3", "pkl4", "pkl5", "none2", "none5", "none"]


def _examined(made: Honest, file: tuple[str, bytes], model_type: ModelType) -> Examined:
    suffix, data = file
    return examine(memoryview(data), ExaminationRequest(suffix, model_type))


def _require_same(found: Examined, made: Honest) -> None:
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    answers = run_graph(found.bundle.onnx, made.rows)
    if "score" in answers:
        assert np.abs(answers["score"] - made.shares[:, 1]).max() <= 1e-6
        return
    best = made.shares.argmax(axis=1)
    expected: NDArray[np.int64] = np.array(class_ids(CLASSES))[best]
    assert (answers["label"] == expected).all()
    assert np.abs(answers["confidence"] - made.shares.max(axis=1)).max() <= 1e-6


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("model_type", ["attack_classifier", "threat_detector"])
def test_every_estimator_and_scaler(model: str, scaler: str, model_type: ModelType) -> None:
    made = honest(model, scaler, model_type)
    _require_same(_examined(made, packed(made.layout, "none"), model_type), made)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("training", [True, False])
def test_every_protocol_and_layout(model: str, training: bool, packing: str) -> None:
    made = honest(model, training=training)
    _require_same(_examined(made, packed(made.layout, packing), "attack_classifier"), made)


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma", "lz4"])
@pytest.mark.parametrize("model", ["tree", "forest", "boosting"])
def test_every_compression(model: str, method: str, tmp_path: Path) -> None:
    made = honest(model)
    found = _examined(made, dumped(made.layout, method, tmp_path), "attack_classifier")
    assert found.report.figures["compression"] == method
    _require_same(found, made)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("attack_classifier", "attack_classifier"),
        ("attack_classifier", "attack_classifier_tree"),
        ("threat_detector", "threat_detector"),
        ("threat_detector", "threat_detector_ensemble"),
    ],
)
def test_starter_bundles_give_the_committed_graph(model_type: ModelType, name: str) -> None:
    folder = MODELS_FOLDER / name
    data = next(folder.glob("*.joblib")).read_bytes()
    profile = next(folder.glob("*_profile.json")).read_bytes()
    found = examine(memoryview(data), ExaminationRequest(".joblib", model_type, profile))
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert found.bundle.onnx == (folder / "model.onnx").read_bytes()
    assert found.report.figures["source_sha256"] == hashlib.sha256(data).hexdigest()


def test_a_threat_model_of_other_features_has_its_own_contract() -> None:
    made = honest("tree", model_type="threat_detector")
    made.layout["selected_features"] = ["duration", *made.layout["selected_features"][1:]]
    found = _examined(made, packed(made.layout, "pkl4"), "threat_detector")
    assert found.report.accepted, found.report.reason
    assert found.report.figures["contract"].startswith("threat/")


def test_the_threshold_and_the_encoders_are_the_file_s() -> None:
    made = honest("logistic", model_type="threat_detector")
    made.layout["threshold"] = 0.7
    bundle = _examined(made, packed(made.layout, "pkl5"), "threat_detector").bundle
    assert bundle is not None
    assert bundle.manifest.threshold == 0.7
    assert bundle.manifest.encoders["flag"] == ["REJ", "S0", "SF"]
    assert bundle.manifest.version == "ensemble_v2_20241201"
