"""The committed starter models: served form against training layout, on real rows where they are there."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray

from netheal.bundles.neural import Network, ensemble_onnx
from netheal.bundles.parity import run_graph
from netheal.bundles.scaling import standard
from netheal.bundles.served import ServedBundle, read_served
from netheal.bundles.tree import tree_from_arrays, tree_onnx
from netheal.contracts import attack_classes, contract
from research.connections import encoded, matrix, read_connections
from research.flows import labelled_rows, read_flows
from research.tables import Dropped, valid_rows

CASES = {
    "threat_detector": ("threat/v1", "threat_detector_ensemble.joblib", "threat_detector_profile.json"),
    "attack_classifier": ("attack/v1", "attack_classifier.joblib", "attack_classifier_profile.json"),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_starter_model_takes_its_shipped_contract(models: Path, kind: str) -> None:
    bundle, known = read_served(models / kind), contract(CASES[kind][0])
    assert bundle.contract.id == known.id
    assert bundle.contract.hash == known.hash and bundle.contract.names == known.names
    assert bundle.manifest.model_type == kind


@pytest.mark.parametrize("kind", CASES)
def test_a_starter_model_is_small_and_names_no_folder_of_a_machine(models: Path, root: Path, kind: str) -> None:
    files = [path for path in (models / kind).iterdir() if path.is_file()]
    assert {"MODEL_CARD.md", "manifest.json", "model.onnx", *CASES[kind][1:]} == {path.name for path in files}
    for path in files:
        assert path.stat().st_size < 2_000_000
        folders = (str(root).encode(), str(Path.home()).encode() + b"/", b"/home/", b"/Users/", b"/tmp/")
        assert not any(folder in path.read_bytes() for folder in folders), path


@pytest.mark.parametrize("kind", CASES)
def test_a_starter_models_manifest_names_its_training_layout_and_profile(models: Path, kind: str) -> None:
    import hashlib

    bundle = read_served(models / kind)
    source = (models / kind / CASES[kind][1]).read_bytes()
    assert bundle.manifest.source_sha256 == hashlib.sha256(source).hexdigest()
    profile = json.loads((models / kind / CASES[kind][2]).read_text("utf-8"))
    assert profile["expected_features"] == list(bundle.contract.names)


@pytest.mark.parametrize("kind", CASES)
def test_a_starter_models_card_gives_the_manifests_figures(models: Path, kind: str) -> None:
    training = read_served(models / kind).manifest.training
    card = (models / kind / "MODEL_CARD.md").read_text("utf-8")
    for file in training["files"]:
        assert f"`{file['name']}`" in card and f"`{file['sha256']}`" in card
    for figures in training["figures"].values():
        assert f"| accuracy | {figures['accuracy']:.4f} |" in card
        alarms = f"{figures['false_alarms_per_100k_benign']:,.0f}"
        assert f"| false alarms per 100,000 benign rows | {alarms} |" in card


def test_the_starter_tree_answers_as_scikit_learn_on_every_real_row(models: Path, shared_data: Path) -> None:
    bundle = read_served(models / "attack_classifier")
    layout = joblib.load(models / "attack_classifier" / "attack_classifier.joblib")
    artifacts, ids = layout["artifacts"], {name: i for i, name in enumerate(attack_classes().names)}
    for name in ("reference_12006.csv.gz", "original_90k.parquet", "improved_25k.parquet"):
        frame = read_flows(shared_data / "cic-ids2017" / name)
        rows, _ = labelled_rows(frame, bundle.contract, name, Dropped())
        scaled = artifacts["scaler"].transform(rows)
        labels = artifacts["label_encoder"].inverse_transform(layout["model"].predict(scaled))
        answers = run_graph(bundle.onnx, rows)
        assert answers["label"].tolist() == [ids[label] for label in labels]
        confidence = layout["model"].predict_proba(scaled).max(axis=1)
        assert np.abs(answers["confidence"] - confidence).max() <= 1e-6


def test_the_starter_networks_score_as_keras_on_every_real_row(models: Path, shared_data: Path) -> None:
    keras = pytest.importorskip("keras", reason="scoring by Keras needs the research extra")
    bundle = read_served(models / "threat_detector")
    layout = joblib.load(models / "threat_detector" / "threat_detector_ensemble.joblib")
    networks = []
    for kind in ("ann", "lstm"):
        network = keras.Sequential.from_config(layout[f"{kind}_config"])
        network.set_weights(layout[f"{kind}_weights"])
        networks.append(network)
    for name in ("Train_data.csv.gz", "KDDTest+.txt.gz"):
        rows = real_connections(bundle, layout["artifacts"]["encoders"], shared_data / "nsl-kdd" / name)
        scaled = layout["artifacts"]["scaler"].transform(rows).astype(np.float32)
        ann = networks[0].predict(scaled, batch_size=4096, verbose=0).astype(np.float64)
        lstm = networks[1].predict(scaled[:, None, :], batch_size=4096, verbose=0).astype(np.float64)
        expected = (ann + lstm)[:, 0] / 2
        scores = run_graph(bundle.onnx, rows)["score"]
        assert np.abs(scores - expected).max() <= 1e-6
        assert ((scores >= 0.5) == (expected >= 0.5)).all() and len(scores) > 22_000


def test_the_committed_graphs_are_what_the_code_makes_of_the_committed_layouts(models: Path) -> None:
    layout = joblib.load(models / "threat_detector" / "threat_detector_ensemble.joblib")
    scaler = layout["artifacts"]["scaler"]
    networks = [Network(layout[f"{kind}_config"], layout[f"{kind}_weights"]) for kind in ("ann", "lstm")]
    onnx = ensemble_onnx(networks, layout["n_features"], standard(scaler.center_, scaler.scale_))
    assert onnx == read_served(models / "threat_detector").onnx
    layout = joblib.load(models / "attack_classifier" / "attack_classifier.joblib")
    scaler, inner = layout["artifacts"]["scaler"], layout["model"].tree_
    tree = tree_from_arrays(inner.children_left, inner.children_right, inner.feature, inner.threshold, inner.value)
    ids = [attack_classes().id_of(name) for name in layout["artifacts"]["label_encoder"].classes_]
    onnx = tree_onnx(tree, 42, standard(scaler.mean_, scaler.scale_), ids)
    assert onnx == read_served(models / "attack_classifier").onnx


def test_the_manifests_encoders_give_the_codes_of_the_training_layout(models: Path) -> None:
    bundle = read_served(models / "threat_detector")
    layout = joblib.load(models / "threat_detector" / "threat_detector_ensemble.joblib")
    for name in ("service", "flag"):
        encoder = layout["artifacts"]["encoders"][name]
        assert encoder.transform(bundle.manifest.encoders[name]).tolist() == list(range(len(encoder.classes_)))


def real_connections(bundle: ServedBundle, encoders: dict[str, Any], path: Path) -> NDArray[np.float64]:
    wanted = {name: encoders[name] for name in bundle.manifest.encoders}
    coded, known = encoded(read_connections(path), wanted, path.name, Dropped())
    rows = matrix(coded[known], bundle.contract.names)
    values, valid = valid_rows(rows, bundle.contract, path.name, Dropped())
    return values[valid]
