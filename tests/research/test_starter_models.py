"""The starter models: served form against saved model, and the cards against real rows where they are there."""

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.parity import run_graph
from netheal.bundles.served import ServedBundle, read_served
from netheal.contracts import attack_classes, contract
from netheal.scoring.model import ServedModel
from research.connections import fit_encoders, is_attack, read_connections
from research.datasets import Rows, connection_rows, first_of_each, flow_rows, joined, split
from research.flows import read_flows
from research.measures import class_figures, score_figures, share
from research.tables import Dropped

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """A folder of research/models, and what is in it."""

    folder: str
    model_type: Any
    contract_id: str
    layout: str
    profile: str


ATTACK = ("attack_classifier", "attack/v1", "attack_classifier.joblib", "attack_classifier_profile.json")
THREAT = ("threat_detector", "threat/v1", "threat_detector.joblib", "threat_detector_profile.json")
NETWORKS = (*THREAT[:2], "threat_detector_ensemble.joblib", THREAT[3])
CASES = {
    "attack_classifier": Case("attack_classifier", *ATTACK),
    "attack_classifier_tree": Case("attack_classifier_tree", *ATTACK),
    "threat_detector": Case("threat_detector", *THREAT),
    "threat_detector_ensemble": Case("threat_detector_ensemble", *NETWORKS),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def folder(case: Case, models: Path) -> Path:
    return models / case.folder


def test_a_starter_model_takes_its_shipped_contract(case: Case, folder: Path) -> None:
    bundle, known = read_served(folder), contract(case.contract_id)
    assert bundle.contract.id == known.id
    assert bundle.contract.hash == known.hash and bundle.contract.names == known.names
    assert bundle.manifest.model_type == case.model_type


def test_every_folder_is_a_case(models: Path) -> None:
    assert {path.name for path in models.iterdir() if path.is_dir()} == set(CASES)


def test_a_starter_model_is_small_and_names_no_folder_of_a_machine(case: Case, folder: Path, root: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file()]
    made = {"MODEL_CARD.md", "manifest.json", "metrics.json", "model.onnx"}
    assert {*made, case.layout, case.profile} == {path.name for path in files}
    for path in files:
        assert path.stat().st_size < 5_000_000
        folders = (str(root).encode(), str(Path.home()).encode() + b"/", b"/home/", b"/Users/", b"/tmp/")
        assert not any(folder in path.read_bytes() for folder in folders), path


def test_a_starter_models_manifest_names_its_layout_and_profile(case: Case, folder: Path) -> None:
    bundle = read_served(folder)
    source = (folder / case.layout).read_bytes()
    assert bundle.manifest.source_sha256 == hashlib.sha256(source).hexdigest()
    profile = json.loads((folder / case.profile).read_text("utf-8"))
    assert profile["expected_features"] == list(bundle.contract.names)


def test_the_intake_makes_the_committed_graph_and_threshold_of_the_committed_layout(case: Case, folder: Path) -> None:
    order = ExaminationRequest(".joblib", case.model_type, (folder / case.profile).read_bytes())
    found = examine(memoryview((folder / case.layout).read_bytes()), order)
    assert found.report.accepted, found.report.reason
    committed = read_served(folder)
    assert found.bundle is not None and found.bundle.onnx == committed.onnx
    assert found.bundle.manifest.threshold == committed.manifest.threshold
    assert found.bundle.manifest.encoders == committed.manifest.encoders
    assert found.bundle.manifest.training_ranges == committed.manifest.training_ranges is not None
    assert found.bundle.manifest.training_histograms == committed.manifest.training_histograms is not None
    assert found.bundle.manifest.confidence_kind == committed.manifest.confidence_kind


def test_a_card_begins_with_what_is_missed_and_gives_the_manifests_figures(folder: Path) -> None:
    bundle, card = read_served(folder), (folder / "MODEL_CARD.md").read_text("utf-8")
    training = bundle.manifest.training
    titles = re.findall("^## (.*)$", card, re.MULTILINE)
    assert titles[:3] == ["What it misses", "Confidence and novelty", "Traffic in bursts, slow traffic, and use"]
    assert {"Range over 10 seeds", "Operating points", "Calibration", "Drift"} < set(titles)
    assert text_of("use", bundle) in card and text_of("defects", bundle) in card
    for file in training["files"]:
        assert f"`{file['name']}`" in card and f"`{file['sha256']}`" in card
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))["metrics"]
    for part, figures in training["figures"].items():
        assert f"| accuracy | {figures['accuracy']:.4f} |" in card
        assert f"| false alarms per 100,000 benign rows | {figures['false_alarms_per_100k_benign']:,.0f} |" in card
        assert metrics[f"figures/{part.replace(',', '').replace('+', '')}/accuracy"] == figures["accuracy"]


def test_a_cards_command_names_files_that_are_there(folder: Path, shared_data: Path, root: Path) -> None:
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    (command,) = re.findall(r"^\.venv/bin/python .*$", card, re.MULTILINE)
    words = shlex.split(command)
    assert (root / words[1]).is_file()
    named = [Path(word) for word in words if word.startswith("../shared/data/")]
    assert named and all((shared_data / path.relative_to("../shared/data")).is_file() for path in named)
    assert read_served(folder).manifest.version in words


def test_a_cards_figures_are_those_of_the_served_model_on_real_rows(
    case: Case, folder: Path, shared_data: Path
) -> None:
    bundle, card = read_served(folder), (folder / "MODEL_CARD.md").read_text("utf-8")
    figures = bundle.manifest.training["figures"]
    parts = real_parts(bundle, shared_data)
    assert set(parts) == set(figures)
    for name, rows in parts.items():
        answers = run_graph(bundle.onnx, rows.values)
        if case.model_type == "threat_detector":
            found = score_figures(is_attack(rows.labels), answers["score"], bundle.manifest.threshold or 0.5)
            alarm = answers["score"] >= (bundle.manifest.threshold or 0.5)
        else:
            classes = attack_classes()
            said = np.array(bundle.manifest.classes, dtype=object)[answers["label"]]
            found, alarm = class_figures(rows.labels, said, classes.names, classes.benign), said != classes.benign
        assert found["confusion"] == figures[name]["confusion"]
        for figure in ("rows", "accuracy", "macro_f1", "false_alarms_per_100k_benign", "detected"):
            assert found[figure] == pytest.approx(figures[name][figure], abs=1e-12), figure
        for label in set(rows.labels) - {"normal", "BENIGN"}:
            one = share(alarm[rows.labels == label])
            assert f"| {label} | {one.rows:,} | {one.value:.4f} | {one.low:.4f}–{one.high:.4f} |" in card


def test_a_cards_figures_of_novelty_are_those_of_the_served_model_on_real_rows(
    case: Case, folder: Path, shared_data: Path
) -> None:
    bundle, card = read_served(folder), (folder / "MODEL_CARD.md").read_text("utf-8")
    assert ("a **vote share**" in card) == (bundle.manifest.confidence_kind == "vote_share")
    model = ServedModel(bundle)
    for name, rows in real_parts(bundle, shared_data).items():
        if case.model_type == "threat_detector":
            scores = model.threat_scores(rows.values)
            found, alarm = model.threat_novelty(rows.values, scores), scores >= model.threshold
        else:
            answers = model.attack_scores(rows.values)
            found, alarm = model.attack_novelty(rows.values, answers.confidence), answers.class_id != 0
        assert found is not None and found.is_novel is not None
        attack = ~np.isin(rows.labels, ["normal", "BENIGN"])
        for which, words in ((attack & ~alarm, "attacks called benign (missed)"), (~attack & ~alarm, "benign rows")):
            one = share(found.is_novel[which])
            assert re.search(
                rf"^\| {re.escape(name)} \| {re.escape(words)}.* \| {one.rows:,} \| {one.value:.4f} \|",
                card,
                re.MULTILINE,
            )


@pytest.mark.parametrize("name", ["attack_classifier", "attack_classifier_tree"])
def test_a_served_classifier_answers_as_scikit_learn_on_every_real_row(
    name: str, models: Path, shared_data: Path
) -> None:
    bundle = read_served(models / name)
    layout = joblib.load(models / name / "attack_classifier.joblib")
    artifacts, ids = layout["artifacts"], {name: i for i, name in enumerate(attack_classes().names)}
    for file in ("reference_12006.csv.gz", "original_90k.parquet", "improved_25k.parquet"):
        path = shared_data / "cic-ids2017" / file
        rows = flow_rows(read_flows(path), bundle.contract, path, Dropped()).values
        shares = layout["model"].predict_proba(artifacts["scaler"].transform(rows))
        labels = artifacts["label_encoder"].inverse_transform(layout["model"].classes_[shares.argmax(axis=1)])
        answers = run_graph(bundle.onnx, rows)
        assert answers["label"].tolist() == [ids[label] for label in labels]
        assert np.abs(answers["confidence"] - shares.max(axis=1)).max() <= 1e-6


def test_the_served_forest_scores_as_scikit_learn_on_real_rows(models: Path, shared_data: Path) -> None:
    bundle = read_served(models / "threat_detector")
    layout = joblib.load(models / "threat_detector" / "threat_detector.joblib")
    rows = real_connections(shared_data / "nsl-kdd" / "KDDTest+.txt.gz", layout["label_encoders"])
    expected = layout["model"].predict_proba(layout["scaler"].transform(rows.values))[:, 1]
    assert np.abs(run_graph(bundle.onnx, rows.values)["score"] - expected).max() <= 1e-6
    assert layout["threshold"] == bundle.manifest.threshold


def test_the_starter_networks_score_as_keras_on_every_real_row(models: Path, shared_data: Path) -> None:
    keras = pytest.importorskip("keras", reason="scoring by Keras needs the research extra")
    bundle = read_served(models / "threat_detector_ensemble")
    layout = joblib.load(models / "threat_detector_ensemble" / "threat_detector_ensemble.joblib")
    networks = []
    for kind in ("ann", "lstm"):
        network = keras.Sequential.from_config(layout[f"{kind}_config"])
        network.set_weights(layout[f"{kind}_weights"])
        networks.append(network)
    for name in ("Train_data.csv.gz", "KDDTest+.txt.gz"):
        rows = real_connections(shared_data / "nsl-kdd" / name, layout["artifacts"]["encoders"]).values
        scaled = layout["artifacts"]["scaler"].transform(rows).astype(np.float32)
        ann = networks[0].predict(scaled, batch_size=4096, verbose=0).astype(np.float64)
        lstm = networks[1].predict(scaled[:, None, :], batch_size=4096, verbose=0).astype(np.float64)
        expected = (ann + lstm)[:, 0] / 2
        scores = run_graph(bundle.onnx, rows)["score"]
        assert np.abs(scores - expected).max() <= 1e-6
        assert ((scores >= 0.5) == (expected >= 0.5)).all() and len(scores) > 22_000


def text_of(kind: str, bundle: ServedBundle) -> str:
    """What the cards of a data set have in common."""
    data_set = "cic_ids2017" if bundle.manifest.classes else "nsl_kdd"
    return (ROOT / "research" / "data" / f"{kind}_{data_set}.md").read_text("utf-8").strip()


def real_connections(path: Path, encoders: dict[str, Any]) -> Rows:
    """Rows of threat/v1."""
    return connection_rows(read_connections(path), encoders, contract("threat/v1"), path, Dropped())


def real_parts(bundle: ServedBundle, shared_data: Path) -> dict[str, Rows]:
    """The rows that the training of a bundle was measured on, read and split again, by part."""
    training = bundle.manifest.training
    roles: dict[str, list[Path]] = {"training and held out": [], "test only": []}
    for file in training["files"]:
        (path,) = shared_data.rglob(file["name"])
        roles[file["role"]].append(path)
    trained_on, tests = roles.values()
    encoders = {} if bundle.manifest.classes else fit_encoders(read_connections(trained_on[0]))

    def read(path: Path) -> Rows:
        if bundle.manifest.classes:
            return flow_rows(read_flows(path), bundle.contract, path, Dropped())
        return real_connections(path, encoders)

    rows = first_of_each(joined([read(path) for path in trained_on]), Dropped())
    _, held = split(rows, training["random_state"])
    parts = {f"held out, {name}": held.take(held.source == name) for name in set(held.source)}
    return parts | {path.name: read(path) for path in tests}
