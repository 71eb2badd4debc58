import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.served import read_served
from netheal.contracts import attack_classes, contract
from netheal.contracts.contract import ModelType
from research import attack_classification, threat_classification
from research.flows import candidate_features, correlated, labelled_rows, read_flows
from research.options import training_parser
from research.tables import Dropped

ARTIFACTS = {"label_encoder", "scaler", "feature_columns", "removed_columns", "class_mapping"}
LAYOUT = {"artifacts", "model", "correlation_threshold", "max_depth", "random_state"}
OUTPUTS = ("attack_classifier.joblib", "attack_classifier_profile.json", "model.onnx", "manifest.json")


def flows(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(23)
    names = contract("attack/v1").names
    kind = rng.choice(["BENIGN", "DDoS", "Web Attack \ufffd XSS"], rows, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(rng.integers(0, 1000, (rows, len(names))).astype(float), columns=list(names))
    frame[" Destination Port"] = np.where(kind == "DDoS", 80, rng.integers(1, 65536, rows))
    frame["Flow Bytes/s"] = np.where(kind == "BENIGN", 1, 500) * rng.random(rows)
    frame.insert(3, " Total Backward Packets", frame[" Total Fwd Packets"] * 2)
    more: dict[str, Any] = {" Timestamp": "7/7/2017", " Source Port": 5, " Label": kind}
    return frame.assign(**more)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = flows()
    frame.loc[0, " Label"] = "Heartbleed"
    frame.loc[1, " Flow Duration"] = -1.0
    frame.loc[2, " Flow IAT Std"] = np.nan
    frame.loc[3, "Flow Bytes/s"] = np.inf
    path = tmp_path_factory.mktemp("data") / "flows.csv"
    pd.concat([frame, frame.tail(7)]).to_csv(path, index=False)
    return path


def train(root: Path, data: Path, folder: Path) -> None:
    """As a person does it: the script run from the checkout."""
    command = [sys.executable, "research/attack_classification.py", "--train_csvs", str(data)]
    more = ["--output_dir", str(folder), "--version", "decision_tree_v1_20260101"]
    subprocess.run([*command, *more], cwd=root, check=True, timeout=120)


@pytest.fixture(scope="module")
def trained(data: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train(root, data, folder)
    return folder


def test_a_second_run_writes_the_same_bytes(root: Path, data: Path, trained: Path, tmp_path: Path) -> None:
    train(root, data, tmp_path)
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_the_training_layout_has_exactly_its_keys(trained: Path) -> None:
    layout = joblib.load(trained / OUTPUTS[0])
    assert set(layout) == LAYOUT and set(layout["artifacts"]) == ARTIFACTS
    assert layout["artifacts"]["removed_columns"] == [" Total Backward Packets"]
    assert tuple(layout["artifacts"]["feature_columns"]) == contract("attack/v1").names
    assert layout["artifacts"]["class_mapping"] == {0: "BENIGN", 1: "DDoS", 2: "Web Attack – XSS"}
    assert (layout["correlation_threshold"], layout["max_depth"], layout["random_state"]) == (0.85, 10, 42)
    assert type(layout["model"]).__name__ == "DecisionTreeClassifier"


def test_every_row_that_is_left_out_is_counted_with_its_reason(trained: Path) -> None:
    bundle = read_served(trained)
    counts = bundle.manifest.training["left_out"]
    assert counts == {
        "label 'Heartbleed' outside the 14 classes (flows.csv)": 1,
        "a value missing or not finite (flows.csv)": 1,
        "a value outside the contract's range (flows.csv)": 1,
        "repeated with the same inputs and label": 7,
    }
    assert sum(bundle.manifest.training["rows"].values()) == 397
    card = (trained / "MODEL_CARD.md").read_text("utf-8")
    assert all(f"| {reason} | {rows} |" in card for reason, rows in counts.items())


def test_the_bundle_carries_attack_v1_the_14_classes_and_parity(trained: Path) -> None:
    bundle = read_served(trained)
    assert bundle.contract.hash == contract("attack/v1").hash and bundle.contract.id == "attack/v1"
    assert bundle.manifest.classes == list(attack_classes().names)
    assert bundle.manifest.parity["label_mismatches"] == 0 and bundle.manifest.parity["rows"] == 397
    never = bundle.manifest.training["never_predicted"]
    assert len(never) == 11 and "Infiltration" in never and "DDoS" not in never


def test_the_profile_has_exactly_its_keys(trained: Path) -> None:
    profile = json.loads((trained / OUTPUTS[1]).read_text("utf-8"))
    keys = {"expected_features", "class_labels", "preprocessing_notes", "preprocessing_pipeline", "training_ranges"}
    keys |= {"training_histograms"}
    pipeline = profile["preprocessing_pipeline"]
    assert set(profile) == keys and profile["expected_features"] == pipeline["selected_features"]
    assert set(pipeline) == {"steps", "n_features_selected", "selected_features", "scaler_type"}
    assert pipeline["n_features_selected"] == 42 and pipeline["scaler_type"] == "StandardScaler"
    assert profile["class_labels"] == ["BENIGN", "DDoS", "Web Attack – XSS"]


def test_the_card_names_files_without_their_folders(trained: Path, data: Path) -> None:
    text = (trained / "MODEL_CARD.md").read_text("utf-8")
    assert "--train_csvs flows.csv" in text and "0 labels differ" in text
    assert str(data.parent) not in text and str(trained.parent) not in text


def test_the_later_of_two_correlated_features_goes_even_if_the_earlier_one_went_too() -> None:
    first = np.random.default_rng(0).normal(size=1000)
    noise = np.random.default_rng(1).normal(size=(2, 1000)) * 0.3
    second, constant = first + noise[0], np.ones(1000)
    third = second + noise[1]
    frame = pd.DataFrame({"a": first, "k": constant, "b": second, "c": third, "d": -first})
    assert correlated([frame], list(frame.columns), 0.85) == ["b", "c", "d"]
    assert correlated([frame], list(frame.columns), 0.999) == ["d"]


def test_features_are_known_by_other_meters_names(tmp_path: Path) -> None:
    frame = flows(5).rename(columns={" Total Fwd Packets": "Tot Fwd Pkts", " Flow Duration": "Flow Duration"})
    frame.to_parquet(tmp_path / "flows.parquet")
    read = read_flows(tmp_path / "flows.parquet")
    assert set(contract("attack/v1").names) <= set(read.columns)
    assert " Source Port" not in candidate_features([read]) and " Timestamp" not in candidate_features([read])


def test_infinite_values_are_zero_and_labels_take_their_canonical_name() -> None:
    frame = flows(40).rename(columns={" Label": "Label"})
    frame.loc[:, "Flow Bytes/s"] = np.inf
    rows, labels, _ = labelled_rows(frame, contract("attack/v1"), "flows", Dropped())
    assert (rows[:, contract("attack/v1").names.index("Flow Bytes/s")] == 0.0).all()
    assert set(labels) == {"BENIGN", "DDoS", "Web Attack – XSS"}


def test_correlation_removal_over_the_reference_rows_leaves_attack_v1_in_order(shared_data: Path) -> None:
    frame = read_flows(shared_data / "cic-ids2017" / "reference_12006.csv.gz")
    candidates = candidate_features([frame])
    removed = correlated([frame], candidates, 0.85)
    assert tuple(name for name in candidates if name not in removed) == contract("attack/v1").names


def validate(folder: Path, model_type: ModelType) -> dict[str, Any]:
    """What the intake says of the bundle in a folder."""
    (source,), (beside,) = folder.glob("*.joblib"), folder.glob("*_profile.json")
    order = ExaminationRequest(source.suffix, model_type, beside.read_bytes(), read_served(folder).manifest.version)
    return examine(memoryview(source.read_bytes()), order).report.to_document()


def test_correlation_is_computed_over_all_files() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 200))
    alike = pd.DataFrame({"a": first, "b": first + 0.1 * second})
    unlike = pd.DataFrame({"a": 50 * first, "b": 50 * second})
    assert correlated([alike], ["a", "b"], 0.85) == ["b"]
    assert correlated([alike, unlike], ["a", "b"], 0.85) == []


def test_only_columns_that_every_file_has_are_candidates() -> None:
    frames = [
        pd.DataFrame({name: [1.0] for name in names} | {"Label": ["BENIGN"]}) for names in (("b", "a"), ("a", "c"))
    ]
    assert candidate_features(frames) == ["a"]


def test_a_forest_is_measured_by_meter_by_seed_and_on_what_training_lacked(data: Path, tmp_path: Path) -> None:
    given = ["--train-files", str(data), "--model", "forest", "--contract", "attack/v1", "--class-weights", "root"]
    more = ["--thorough", "--repeats", "2", "--output-dir", str(tmp_path), "--max-leaf-nodes", "20"]
    attack_classification.main([*given, *more, "--version", "random_forest_v1_20260101"])
    layout, bundle = joblib.load(tmp_path / OUTPUTS[0]), read_served(tmp_path)
    assert type(layout["model"]).__name__ == "RandomForestClassifier" and set(layout) == LAYOUT
    assert bundle.manifest.parity["label_mismatches"] == 0
    report = validate(tmp_path, "attack_classifier")
    assert report["accepted"] and report["figures"]["onnx_sha256"] == bundle.manifest.onnx_sha256
    text = (tmp_path / "MODEL_CARD.md").read_text("utf-8")
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles[:2] == ["What it misses", "Confidence and novelty"] and "Range over 2 seeds" in titles
    assert {"Attacks that training lacked", "Operating points", "Calibration"} < set(titles)
    metrics = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert metrics["params"]["class_weights"] == "root" and metrics["params"]["contract"] == "attack/v1"
    accuracy = bundle.manifest.training["figures"]["held out, original meter"]["accuracy"]
    assert metrics["metrics"]["figures/held out original meter/accuracy"] == accuracy
    assert all(type(value) is float for value in metrics["metrics"].values())


def test_charts_are_drawn(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need the research extra")
    attack_classification.main(["--train-files", str(data), "--output-dir", str(tmp_path)])
    drawn = {path.name: path.read_bytes()[:4] for path in (tmp_path / "charts").iterdir()}
    assert set(drawn) == {"roc.png", "precision_recall.png", "calibration.png", "confusion_0.png"}
    assert set(drawn.values()) == {b"\x89PNG"}


def test_the_committed_starters_are_not_overwritten(
    data: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (models / "attack_classifier" / "manifest.json").read_bytes()
    with pytest.raises(SystemExit):
        attack_classification.main(["--train-files", str(data), "--output-dir", str(models / "attack_classifier")])
    assert "holds committed starter models" in capsys.readouterr().err
    assert (models / "attack_classifier" / "manifest.json").read_bytes() == before


def test_features_of_no_shipped_contract_are_told_of(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threshold = ["--correlation-threshold", "0.02", "--output-dir", str(tmp_path)]
    attack_classification.main(["--train-files", str(data), *threshold])
    told = capsys.readouterr().out
    assert "these are the features of no shipped contract (attack/v1)" in told and " which lacks " in told
    assert read_served(tmp_path).contract.id.startswith("attack/") and read_served(tmp_path).contract.id != "attack/v1"


def test_a_feature_that_nobody_knows_is_trained_on_once_it_is_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = flows()
    frame.insert(0, "Payload Entropy", np.random.default_rng(3).random(len(frame)) * 8)
    frame.to_csv(tmp_path / "flows.csv", index=False)
    given = ["--train-files", str(tmp_path / "flows.csv"), "--output-dir", str(tmp_path / "made")]
    with pytest.raises(SystemExit, match='"Payload Entropy" are known neither .* to --feature-definitions'):
        attack_classification.main(given)
    definitions = {"Payload Entropy": {"type": "number", "minimum": 0, "maximum": 8, "meaning": "Of a payload byte"}}
    (tmp_path / "definitions.json").write_text(json.dumps(definitions))
    attack_classification.main([*given, "--feature-definitions", str(tmp_path / "definitions.json")])
    assert 'adds "Payload Entropy"' in capsys.readouterr().out
    profile = (tmp_path / "made" / OUTPUTS[1]).read_bytes()
    assert json.loads(profile)["feature_definitions"] == definitions
    request = ExaminationRequest(".joblib", "attack_classifier", profile)
    assert examine(memoryview((tmp_path / "made" / OUTPUTS[0]).read_bytes()), request).bundle is not None
    (tmp_path / "definitions.json").write_text('{"Payload Entropy": 8}')
    with pytest.raises(SystemExit):
        attack_classification.main([*given, "--feature-definitions", str(tmp_path / "definitions.json")])
    assert "--feature-definitions" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["attack_classification", "threat_classification"])
def test_every_option_has_help_and_tensorflow_is_not_loaded_for_it(script: str, root: Path) -> None:
    code = (
        f"import sys; sys.argv = ['x', '--help']\nfrom research.{script} import main\n"
        "try: main()\nexcept SystemExit: print('tensorflow' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120, check=True
    )
    *text, loaded = done.stdout.splitlines()
    assert loaded == "False False"
    options = [at for at, line in enumerate(text) if line.startswith("  --")]
    for start, end in zip(options, [*options[1:], len(text)], strict=True):
        assert any("   " in line.strip() or line.startswith(" " * 20) for line in text[start:end]), text[start]


def test_the_working_directory_does_not_matter(data: Path, root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(root / "research" / "attack_classification.py"), "--train_csvs", data.name]
    more = ["--output_dir", str(tmp_path / "made")]
    done = subprocess.run([*command, *more], cwd=data.parent, check=True, timeout=120, capture_output=True, text=True)
    assert (tmp_path / "made" / "manifest.json").is_file()
    last = done.stdout.splitlines()[-1]
    assert last == f"the bundle, its profile, card, metrics and charts are in {tmp_path / 'made'}"
    assert training_parser("", {"tree": ""}, "x").get_default("output_dir").is_absolute()


def test_a_folder_that_cannot_be_written_is_told_of_before_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        attack_classification.main(["--train-files", str(data), "--output-dir", str(tmp_path / "file" / "below")])
    told = capsys.readouterr()
    assert "cannot write into" in told.err and "--output-dir" in told.err and told.out == ""


def test_without_tensorflow_the_ensemble_is_refused_with_the_command_that_installs_it(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threat_classification, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        threat_classification.main(["--train-files", str(data)])
    assert "`make dev` installs" in capsys.readouterr().err
