"""What models are called, in verdicts and in the log."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netheal.bundles.intake.examine import ExaminationRequest
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import ServedBundle
from netheal.registry.artefacts import Artefacts
from netheal.registry.version_names import loaded_message, version_name
from netheal.telemetry import configure_logging

DAY = datetime(2024, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("Keras ensemble", "ensemble"),
        ("Keras network", "ensemble"),
        ("DecisionTreeClassifier", "decision_tree"),
        ("RandomForestClassifier", "random_forest"),
        ("HistGradientBoostingClassifier", "hist_gradient_boosting"),
        ("LogisticRegression", "logistic_regression"),
        ("", "ensemble"),
    ],
)
def test_a_model_is_called_by_what_it_is(threat_bundle: ServedBundle, model: str, kind: str) -> None:
    manifest = replace(threat_bundle.manifest, training={"model": model})
    assert version_name(manifest, 3, DAY) == f"{kind}_v3_20241201"


def test_an_uploaded_ann_and_lstm_is_an_ensemble(models: Path) -> None:
    file = models / "threat_detector_ensemble" / "threat_detector_ensemble.joblib"
    bundle = examine_file(file, ExaminationRequest(".joblib", "threat_detector")).bundle
    assert bundle is not None
    assert version_name(bundle.manifest, 2, DAY) == "ensemble_v2_20241201"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("ensemble_v2_20241201", "Loaded real ensemble model v2 from: /m"),
        ("decision_tree_v1_20241201", "Loaded real decision_tree model v1 from: /m"),
        ("decision_tree_v12", "Loaded real decision_tree model v12 from: /m"),
        ("v2.1", "Loaded real random_forest model v2.1 from: /m"),
        ("2024-12-01", "Loaded real random_forest model v2024-12-01 from: /m"),
    ],
)
def test_the_log_says_what_was_loaded(threat_bundle: ServedBundle, version: str, words: str) -> None:
    manifest = replace(threat_bundle.manifest, version=version, training={"model": "RandomForestClassifier"})
    assert loaded_message(manifest, "/m") == words


@pytest.mark.usefixtures("own_logging")
def test_loading_a_model_writes_the_line(threat_bundle: ServedBundle, tmp_path: Path) -> None:
    log = tmp_path / "log"
    configure_logging(log)
    artefacts = Artefacts(tmp_path / "models")
    named = ServedBundle(replace(threat_bundle.manifest, version="ensemble_v2_20241201"), threat_bundle.onnx)
    artefacts.load(artefacts.put(named))
    (line,) = log.read_text().splitlines()
    assert f"Loaded real ensemble model v2 from: {tmp_path / 'models' / named.hash}" in line
    assert json.loads(line)["event"] == "model.loaded"
