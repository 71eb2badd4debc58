"""The forest of the threat detector: its threshold from rows that training lacked, its bundle through the intake."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.served import read_served
from netheal.bundles.training_histograms import histograms_of
from netheal.contracts import contract
from research import threat_classification

VERSION = "random_forest_v1_20260101"


def connections(rows: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(29)
    label = rng.choice(["normal", "neptune", "satan", "back"], rows, p=[0.6, 0.2, 0.1, 0.1])
    flood, quiet = label == "neptune", label == "normal"
    frame = pd.DataFrame(rng.random((rows, 10)).round(3), columns=list(contract("threat/v1").names))
    return frame.assign(
        protocol_type="tcp",
        service=rng.choice(["http", "smtp", "ftp", "private"], rows),
        flag=np.where(quiet, "SF", rng.choice(["S0", "REJ", "SF"], rows)),
        src_bytes=np.where(flood, 0, rng.integers(50, 3000, rows)),
        count=np.where(quiet, rng.integers(1, 60, rows), rng.integers(40, 500, rows)),
        **{"class": label},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "connections.csv"
    connections().to_csv(path, index=False)
    return path


def train(data: Path, folder: Path, *more: str) -> Path:
    given = ["--train-files", str(data), "--model", "forest", "--contract", "threat/v1", "--class-weights", "root"]
    threat_classification.main([*given, "--output-dir", str(folder), "--version", VERSION, *more])
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("model"), "--test-files", str(data), "--thorough")


def test_the_intake_makes_the_same_graph_with_the_same_threshold(trained: Path) -> None:
    profile = (trained / "threat_detector_profile.json").read_bytes()
    data = (trained / "threat_detector.joblib").read_bytes()
    found, written = (
        examine(memoryview(data), ExaminationRequest(".joblib", "threat_detector", profile)),
        read_served(trained),
    )
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None and found.bundle.onnx == written.onnx
    assert found.bundle.manifest.threshold == written.manifest.threshold
    assert found.bundle.manifest.version == written.manifest.version == VERSION


def test_the_layout_is_the_serving_one(trained: Path) -> None:
    layout = joblib.load(trained / "threat_detector.joblib")
    assert set(layout) == {"model", "scaler", "label_encoders", "selected_features", "threshold", "metadata"}
    assert set(layout["label_encoders"]) == {"service", "flag"}


def test_the_card_tells_of_attacks_and_services_that_training_lacked(trained: Path) -> None:
    text = (trained / "MODEL_CARD.md").read_text("utf-8")
    for part in ("## Attacks that training lacked", "What a threshold costs and finds", "| 2 % false alarms |"):
        assert part in text
    metrics = json.loads((trained / "metrics.json").read_text("utf-8"))["metrics"]
    assert metrics["unlike/groups/rows"] > 100 and "unlike/families/neptune/hits" in metrics


def test_a_forest_says_that_its_score_is_a_vote_share_and_how_often_a_missed_attack_is_novel(trained: Path) -> None:
    manifest = read_served(trained).manifest
    assert manifest.confidence_kind == "vote_share"
    assert manifest.training_ranges is not None and set(manifest.training_ranges["codes"]) == {"service", "flag"}
    text = (trained / "MODEL_CARD.md").read_text("utf-8")
    metrics = json.loads((trained / "metrics.json").read_text("utf-8"))["metrics"]
    assert "is a **vote share**" in text
    limit, rows = metrics["novelty/limit"], metrics["novelty/families/missed/rows"]
    assert limit == manifest.training_ranges["limit"] and f"is marked novel above {limit:.4f}" in text
    assert rows > 0 and f" of {rows:,.0f}) that are missed" in text


def test_the_profile_has_histograms_of_the_training_rows_and_of_the_held_out_answers(trained: Path) -> None:
    manifest = read_served(trained).manifest
    histograms, rows = histograms_of(manifest), manifest.training["rows"]
    assert histograms is not None
    assert {int(histogram.counts.sum()) for histogram in histograms.features} == {rows["train"]}
    held = sum(n for name, n in rows.items() if name.startswith("held out"))
    assert histograms.score.counts.sum() == sum(histograms.classes.values()) == held
    assert set(histograms.classes) == {"attack", "normal"} and min(histograms.classes.values()) > 0
    profile = json.loads((trained / "threat_detector_profile.json").read_text("utf-8"))
    assert profile["training_histograms"] == manifest.training_histograms


def test_histograms_are_added_to_a_model_that_is_there_as_its_training_would_have(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "model"
    shutil.copytree(trained, bare)
    profile = bare / "threat_detector_profile.json"
    document = json.loads(profile.read_text("utf-8"))
    del document["training_histograms"]
    profile.write_text(json.dumps(document), "utf-8")
    card, metrics = bare / "MODEL_CARD.md", bare / "metrics.json"
    card.write_text(re.sub(r"(?s)## Drift\n.*?\n\n(?=## )", "", card.read_text("utf-8")), "utf-8")
    flat = json.loads(metrics.read_text("utf-8"))
    flat["metrics"] = {name: n for name, n in flat["metrics"].items() if not name.startswith("drift/")}
    metrics.write_text(json.dumps(flat), "utf-8")
    (bare / "manifest.json").write_bytes(replace(read_served(bare).manifest, training_histograms=None).to_json())
    train(data, tmp_path / "unused", "--test-files", str(data), "--histograms-of", str(bare))
    for name in ("threat_detector_profile.json", "MODEL_CARD.md", "metrics.json", "manifest.json", "model.onnx"):
        assert (bare / name).read_bytes() == (trained / name).read_bytes(), name
    with pytest.raises(SystemExit, match="these options did not train"):
        train(data, tmp_path / "unused", "--histograms-of", str(bare))


def test_novelty_is_added_to_a_model_that_is_there_as_its_training_would_have(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "model"
    shutil.copytree(trained, bare)
    profile, card, metrics = bare / "threat_detector_profile.json", bare / "MODEL_CARD.md", bare / "metrics.json"
    profile.write_text(json.dumps(json.loads(profile.read_text("utf-8")) | {"training_ranges": None}), "utf-8")
    card.write_text(re.sub(r"(?s)## Confidence and novelty.*?\n\n(?=## )", "", card.read_text("utf-8")), "utf-8")
    document = json.loads(metrics.read_text("utf-8"))
    document["metrics"] = {n: v for n, v in document["metrics"].items() if not n.startswith("novelty/")}
    metrics.write_text(json.dumps(document), "utf-8")
    manifest = replace(read_served(bare).manifest, confidence_kind=None, training_ranges=None)
    (bare / "manifest.json").write_bytes(manifest.to_json())
    train(data, tmp_path / "unused", "--test-files", str(data), "--thorough", "--novelty-of", str(bare))
    for name in ("threat_detector_profile.json", "MODEL_CARD.md", "metrics.json", "manifest.json", "model.onnx"):
        assert (bare / name).read_bytes() == (trained / name).read_bytes(), name
    assert not (tmp_path / "unused").exists()


def test_novelty_is_not_added_by_options_that_trained_another_model(data: Path, trained: Path, tmp_path: Path) -> None:
    before = (trained / "manifest.json").read_bytes()
    with pytest.raises(SystemExit, match="these options did not train random_forest_v1"):
        train(data, tmp_path, "--novelty-of", str(trained))
    assert (trained / "manifest.json").read_bytes() == before
    with pytest.raises(SystemExit):
        train(data, tmp_path, "--novelty-of", str(tmp_path / "nothing"))


def test_a_threshold_that_is_given_is_served(data: Path, tmp_path: Path) -> None:
    assert read_served(train(data, tmp_path, "--threshold", "0.7")).manifest.threshold == 0.7


def test_a_second_run_writes_the_same_bytes(data: Path, trained: Path, tmp_path: Path) -> None:
    again = train(data, tmp_path, "--test-files", str(data))
    for name in ("threat_detector.joblib", "model.onnx", "manifest.json"):
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name


@pytest.mark.parametrize("threshold", ["0", "1", "-0.5"])
def test_a_threshold_outside_0_and_1_is_refused(data: Path, tmp_path: Path, threshold: str) -> None:
    with pytest.raises(SystemExit):
        train(data, tmp_path, f"--threshold={threshold}")
