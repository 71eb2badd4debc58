import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="training needs the research extra")

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.parity import run_graph
from netheal.bundles.served import read_served
from netheal.contracts import contract
from research import threat_classification
from research.connections import attack_names, encoded, fit_encoders, is_attack, read_connections, select_features
from research.tables import Dropped

ARTIFACTS = {"encoders", "selected_features", "scaler"}
LAYOUT = {
    "artifacts",
    "ann_weights",
    "lstm_weights",
    "ann_config",
    "lstm_config",
    "n_features",
    "random_state",
}
OUTPUTS = ("threat_detector_ensemble.joblib", "threat_detector_profile.json", "model.onnx", "manifest.json")


def connections(rows: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(17)
    attack = rng.random(rows) < 0.4
    return pd.DataFrame(
        {
            "duration": rng.integers(0, 100, rows),
            "protocol_type": np.where(attack, "icmp", "tcp"),
            "service": np.where(attack, rng.choice(["private", "http"], rows), rng.choice(["http", "ftp"], rows)),
            "flag": np.where(attack, rng.choice(["S0", "SF"], rows), "SF"),
            "src_bytes": np.where(attack, 0, rng.integers(50, 3000, rows)),
            "count": np.where(attack, rng.integers(100, 500, rows), rng.integers(1, 60, rows)),
            "serror_rate": np.where(attack, rng.random(rows), 0.0).round(2),
            "hot": 0,
            "class": np.where(attack, "anomaly", "normal"),
        }
    )


def train(data: Path, folder: Path, *more: str) -> Path:
    given = ["--train_csv", str(data), "--n_features", "5", "--version", "ensemble_v1_20260101"]
    threat_classification.main([*given, "--output_dir", str(folder), *more])
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "connections.csv"
    connections().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("first"))


def test_a_second_run_writes_the_same_bytes(data: Path, trained: Path, tmp_path: Path) -> None:
    again = train(data, tmp_path)
    for name in OUTPUTS:
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name


def test_another_seed_gives_other_weights_and_progress_is_seen(
    data: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = train(data, tmp_path, "--random_state", "7", "--epochs", "3")
    shown = capsys.readouterr().out
    assert "training lstm on 360 rows, 40 for validation" in shown and "Epoch 3/3" in shown and "val_loss" in shown
    assert (other / "model.onnx").read_bytes() != (trained / "model.onnx").read_bytes()


def test_the_training_layout_has_exactly_its_keys_and_rebuilds_the_scores(trained: Path) -> None:
    from research.keras_runtime import keras

    layout = joblib.load(trained / OUTPUTS[0])
    assert set(layout) == LAYOUT and set(layout["artifacts"]) == ARTIFACTS
    artifacts, rows = layout["artifacts"], connections()
    assert set(artifacts["encoders"]) == {"protocol_type", "service", "flag"}
    for name, encoder in artifacts["encoders"].items():
        rows[name] = encoder.transform(rows[name])
    values = rows[artifacts["selected_features"]].to_numpy(dtype=np.float64)
    scaled, scores = artifacts["scaler"].transform(values), []
    for kind, inputs in (("ann", scaled), ("lstm", scaled[:, None, :])):
        network = keras.Sequential.from_config(layout[f"{kind}_config"])
        network.set_weights(layout[f"{kind}_weights"])
        scores.append(network.predict(inputs, verbose=0)[:, 0].astype(np.float64))
    served = run_graph(read_served(trained).onnx, values)["score"]
    assert np.abs(served - np.mean(scores, axis=0)).max() <= 1e-6


def test_a_threshold_other_than_a_half_is_in_the_layout_and_the_intake_takes_it(data: Path, tmp_path: Path) -> None:
    folder = train(data, tmp_path, "--threshold", "0.4", "--epochs", "2", "--class-weights", "balanced")
    source = (folder / OUTPUTS[0]).read_bytes()
    found = examine(
        memoryview(source), ExaminationRequest(".joblib", "threat_detector", (folder / OUTPUTS[1]).read_bytes())
    )
    assert found.report.accepted and found.report.figures["threshold"] == 0.4
    assert read_served(folder).manifest.threshold == 0.4


def test_features_of_no_wire_contract_give_the_bundle_a_contract_of_its_own(trained: Path) -> None:
    bundle = read_served(trained)
    assert bundle.contract.id == f"threat/{bundle.contract.hash[:8]}"
    assert len(bundle.contract.names) == 5 and "protocol_type" not in bundle.contract.names
    assert set(bundle.manifest.encoders) <= set(bundle.contract.names)
    assert bundle.manifest.encoders["flag"] == ["S0", "SF"]


def test_the_profile_has_exactly_its_keys_and_the_models_features(trained: Path) -> None:
    profile = json.loads((trained / OUTPUTS[1]).read_text("utf-8"))
    assert set(profile) == {
        "expected_features",
        "class_labels",
        "preprocessing_notes",
        "preprocessing_pipeline",
        "training_ranges",
        "training_histograms",
    }
    pipeline = profile["preprocessing_pipeline"]
    assert set(pipeline) == {"steps", "n_features_selected", "selected_features", "scaler_type"}
    names = list(read_served(trained).contract.names)
    assert profile["expected_features"] == pipeline["selected_features"] == names
    assert pipeline["n_features_selected"] == 5 and pipeline["scaler_type"] == "RobustScaler"
    assert profile["class_labels"] == ["Normal", "Attack"]


def test_the_card_states_files_parity_and_false_alarms_and_no_folder(trained: Path, data: Path) -> None:
    text = (trained / "MODEL_CARD.md").read_text("utf-8")
    for part in (
        "`connections.csv`",
        "0 labels differ",
        "false alarms per 100,000",
        "Known defects",
        "--train_csv",
    ):
        assert part in text
    assert str(data.parent) not in text and str(trained.parent) not in text


def test_the_held_out_figures_are_of_rows_that_were_not_trained_on(trained: Path) -> None:
    training = read_served(trained).manifest.training
    assert training["rows"] == {"train": 400, "held out, connections.csv": 100}
    assert training["figures"]["held out, connections.csv"]["rows"] == 100
    assert np.sum(training["figures"]["held out, connections.csv"]["confusion"]) == 100


def test_predictions_leave_unknown_categories_and_missing_values_without_a_score(data: Path, tmp_path: Path) -> None:
    rows = connections(20).drop(columns="class").astype({"count": "float64", "src_bytes": "float64"})
    rows.loc[3, "flag"] = "S9"
    for row, value in ((5, np.nan), (6, -1.0)):
        rows.loc[row, "count"], rows.loc[row, "src_bytes"], rows.loc[row, "service"] = value, value, "http"
    rows.to_csv(tmp_path / "new.csv", index=False)
    given = ["--predict_csv", str(tmp_path / "new.csv"), "--output_preds", str(tmp_path / "answers.csv")]
    train(data, tmp_path / "model", *given)
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert answers.index[answers["score"].isna()].tolist() == [3, 5, 6]
    assert answers["prediction"].isna().tolist() == answers["score"].isna().tolist()
    scored = answers.dropna(subset="score")
    assert (scored["prediction"] == np.where(scored["score"] >= 0.5, "Attack", "Normal")).all()


@pytest.mark.parametrize("labels", [(1, 0), ("anomaly", "normal"), ("neptune", "normal"), ("smurf.", "normal.")])
def test_every_spelling_of_the_label_means_the_same(labels: tuple[object, object]) -> None:
    frame = pd.DataFrame({"class": [labels[0], labels[1], labels[0]]})
    assert is_attack(attack_names(frame)).tolist() == [1, 0, 1]


def test_nsl_kdd_without_a_header_reads_as_with_one(shared_data: Path) -> None:
    bare = read_connections(shared_data / "nsl-kdd" / "KDDTrain+.txt.gz")
    headed = read_connections(shared_data / "nsl-kdd" / "Train_data.csv.gz")
    assert list(bare.columns) == list(headed.columns)
    assert len(bare) == 125_973 and is_attack(attack_names(bare)).sum() == 58_630
    assert len(headed) == 25_192 and is_attack(attack_names(headed)).sum() == 11_743


@pytest.mark.slow
def test_elimination_over_the_twenty_per_cent_file_picks_the_ten_of_threat_v1(shared_data: Path) -> None:
    frame = read_connections(shared_data / "nsl-kdd" / "Train_data.csv.gz")
    coded, _ = encoded(frame, fit_encoders(frame), "train", Dropped())
    assert tuple(select_features(coded, is_attack(attack_names(frame)), 10)) == contract("threat/v1").names
