"""Bundles as their makers write them: objects, tuples and sets, bytes of an `.h5`, bare models, pipelines."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.build import class_ids
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.parity import run_graph
from netheal.contracts import ModelType, contract
from tests.unit.bundles.intake.foreign.keras_networks import rows as network_rows
from tests.unit.bundles.intake.foreign.keras_networks import trained
from tests.unit.bundles.intake.honest_bundles import CLASSES, MODELS, honest, packed
from tests.unit.bundles.intake.makers_classes import FORMS, PreprocessArtifacts

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras itself
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
PACKINGS = ["pkl2", "pkl3", "pkl4", "pkl5", "none"]
FOLDER = Path(__file__).parent / "foreign"
THREAT = list(contract("threat/v1").names)
ATTACK = list(contract("attack/v1").names)


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("keras")


def _examined(value: Any, model_type: ModelType, packing: str = "none", profile: Any = None) -> Examined:
    suffix, data = packed(value, packing)
    text = None if profile is None else json.dumps(profile).encode()
    return examine(memoryview(data), ExaminationRequest(suffix, model_type, text))


def _require_scores(found: Examined, rows: Any, expected: Any) -> None:
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert np.abs(run_graph(found.bundle.onnx, rows)["score"] - expected).max() <= 1e-6


def _require_labels(found: Examined, rows: Any, names: Any) -> None:
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    ids = dict(zip(CLASSES, class_ids(CLASSES), strict=True))
    assert run_graph(found.bundle.onnx, rows)["label"].tolist() == [ids[str(name)] for name in names]


@pytest.fixture(scope="module")
def ensemble(keras: Any) -> tuple[list[Any], Any, Any]:
    """An ANN and an LSTM, a scaler, and the mean of their scores on the scaled `network_rows`."""
    networks, rows = [trained(keras, name) for name in ("nested", "chain")], network_rows()
    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows).astype("f4")
    scores = [np.asarray(network(scaled, training=False))[:, 0] for network in networks]
    return networks, scaler, np.mean(scores, axis=0)


def _ensemble(networks: list[Any], artifacts: Any, weights: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "artifacts": artifacts,
        **{f"{name}_config": network.get_config() for name, network in zip(("ann", "lstm"), networks, strict=True)},
        **{f"{name}_weights": weights(network) for name, network in zip(("ann", "lstm"), networks, strict=True)},
        "n_features": len(THREAT),
        "random_state": 42,
    }


def _threat_fields(scaler: Any) -> dict[str, Any]:
    encoder = LabelEncoder().fit(["http", "smtp"])
    return {
        "encoders": {"service": encoder, "class": LabelEncoder().fit(["normal", "anomaly"])},
        "scaler": scaler,
        "selected_features": tuple(THREAT),
        "removed_columns": {"num_outbound_cmds", "land"},
    }


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMS)
def test_artifacts_may_be_an_object(form: str, packing: str, ensemble: Any) -> None:
    networks, scaler, expected = ensemble
    layout = _ensemble(networks, FORMS[form](**_threat_fields(scaler)), lambda network: network.get_weights())
    found = _examined(layout, "threat_detector", packing)
    _require_scores(found, network_rows(), expected)
    assert found.bundle is not None
    assert found.bundle.manifest.encoders == {"service": ["http", "smtp"]}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("sort", [list, tuple, set, frozenset])
def test_artifacts_of_an_attack_classifier_may_be_an_object(packing: str, sort: Any) -> None:
    made = honest("tree", training=True)
    fields = {**made.layout["artifacts"], "feature_columns": tuple(ATTACK), "removed_columns": sort([" A", " B"])}
    found = _examined({**made.layout, "artifacts": PreprocessArtifacts(**fields)}, "attack_classifier", packing)
    _require_labels(found, made.rows, np.array(CLASSES)[made.shares.argmax(axis=1)])


def test_a_mapping_of_classes_may_be_a_tuple() -> None:
    made = honest("tree", training=True)
    artifacts = {**made.layout["artifacts"], "class_mapping": tuple(CLASSES), "label_encoder": None}
    found = _examined({**made.layout, "artifacts": artifacts}, "attack_classifier")
    _require_labels(found, made.rows, np.array(CLASSES)[made.shares.argmax(axis=1)])


def test_a_set_is_refused_where_order_matters() -> None:
    made = honest("tree", training=True)
    for packing in PACKINGS:
        artifacts = {**made.layout["artifacts"], "feature_columns": set(ATTACK)}
        reason = _examined({**made.layout, "artifacts": artifacts}, "attack_classifier", packing).report.reason
        assert '"feature_columns"' in reason
        assert "is a set, which has no order, and the model needs one: save a list" in reason


def _saved(folder: Path, name: str) -> Callable[[Any], bytes]:
    def weights(network: Any) -> bytes:
        path = folder / name
        network.save_weights(path) if name.endswith(".weights.h5") else network.save(path)
        return path.read_bytes()

    return weights


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", ["whole.h5", "only.weights.h5"])
def test_weights_may_be_the_bytes_of_an_h5(name: str, packing: str, ensemble: Any, tmp_path: Path) -> None:
    networks, scaler, expected = ensemble
    layout = _ensemble(networks, _threat_fields(scaler), _saved(tmp_path, name))
    _require_scores(_examined(layout, "threat_detector", packing), network_rows(), expected)


def test_the_confined_process_reads_them_as_well(ensemble: Any, tmp_path: Path) -> None:
    networks, scaler, expected = ensemble
    for name in ("whole.h5", "only.weights.h5"):
        artifacts = PreprocessArtifacts(**_threat_fields(scaler))
        suffix, data = packed(_ensemble(networks, artifacts, _saved(tmp_path, name)), "pkl5")
        file = tmp_path / f"bundle{suffix}"
        file.write_bytes(data)
        _require_scores(examine_file(file, ExaminationRequest(suffix, "threat_detector")), network_rows(), expected)


def test_a_whole_h5_needs_no_configuration_beside_it(ensemble: Any, tmp_path: Path) -> None:
    networks, scaler, expected = ensemble
    layout = _ensemble(networks, _threat_fields(scaler), _saved(tmp_path, "whole.h5"))
    del layout["ann_config"], layout["lstm_config"]
    _require_scores(_examined(layout, "threat_detector"), network_rows(), expected)


@pytest.mark.parametrize("sort", ["tuple", "array"])
def test_weights_may_be_other_lists(sort: str, ensemble: Any) -> None:
    networks, scaler, expected = ensemble

    def weights(network: Any) -> Any:
        arrays = network.get_weights()
        if sort == "tuple":
            return tuple(arrays)
        found = np.empty(len(arrays), dtype=object)
        found[:] = arrays
        return found

    for packing in ("none", "pkl4"):
        layout = _ensemble(networks, _threat_fields(scaler), weights)
        _require_scores(_examined(layout, "threat_detector", packing), network_rows(), expected)


def test_weights_of_keras_2_may_be_the_bytes_of_an_h5() -> None:
    data = (FOLDER / "keras2_15_branches.h5").read_bytes()
    layout = {"artifacts": {"selected_features": THREAT}, "ann_weights": data, "lstm_weights": data}
    with np.load(FOLDER / "keras2_15_branches.npz") as told:
        _require_scores(_examined(layout, "threat_detector"), told["rows"], told["scores"])


def _keras_2_weights() -> tuple[bytes, dict[str, Any]]:
    """What `save_weights` of Keras 2 writes, which is what its whole model has in a group, and the configuration."""
    out = io.BytesIO()
    with h5py.File(FOLDER / "keras2_15_branches.h5") as whole, h5py.File(out, "w") as file:
        for name, group in whole["model_weights"].items():
            whole.copy(group, file, name)
        file.attrs.update(whole["model_weights"].attrs)
        config = json.loads(whole.attrs["model_config"])
    return out.getvalue(), config


def test_weights_alone_of_keras_2_may_be_the_bytes_of_an_h5() -> None:
    weights, config = _keras_2_weights()
    layout = {"artifacts": {"selected_features": THREAT}, "ann_weights": weights, "ann_config": config}
    with np.load(FOLDER / "keras2_15_branches.npz") as told:
        found = _examined({**layout, "lstm_weights": weights, "lstm_config": config}, "threat_detector")
        _require_scores(found, told["rows"], told["scores"])


def _rows(names: list[str], as_names: bool) -> tuple[pd.DataFrame, Any]:
    """Rows of these features, and the class of each: of four by name, or of two by number."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame(np.abs(random.lognormal(2.0, 2.0, (300, len(names)))), columns=names)
    kinds = (frame.iloc[:, 2] > 8).astype(int) + (2 * (frame.iloc[:, 3] > 8) if as_names else 0)
    return frame, np.array(CLASSES)[kinds] if as_names else kinds.to_numpy()


def _pipelines(model: Any) -> dict[str, Any]:
    return {
        "standard": make_pipeline(StandardScaler(), model),
        "pandas": make_pipeline(RobustScaler(), model).set_output(transform="pandas"),
        "passthrough": Pipeline([("nothing", "passthrough"), ("scale", MinMaxScaler(clip=True)), ("model", model)]),
        "model_alone": Pipeline([("none", None), ("model", model)]),
    }


def _refused_line(found: Examined) -> None:
    assert 'make a bundle: joblib.dump({"model": model, "selected_features": names}, file)' in found.report.reason


@pytest.mark.parametrize("name", [name for name in MODELS if name != "hard_voting"])
def test_a_bare_model_is_accepted_where_its_features_have_names(name: str) -> None:
    frame, kinds = _rows(THREAT, as_names=False)
    model = MODELS[name]().fit(frame, kinds)
    found = _examined(model, "threat_detector")
    _require_scores(found, frame.to_numpy(), model.predict_proba(frame)[:, 1])
    assert found.report.figures["layout"] == "bare model"
    bare = MODELS[name]().fit(frame.to_numpy(), kinds)
    _refused_line(_examined(bare, "threat_detector"))
    for profile in ({"expected_features": THREAT}, {"preprocessing_pipeline": {"selected_features": THREAT}}):
        found = _examined(bare, "threat_detector", profile=profile)
        _require_scores(found, frame.to_numpy(), bare.predict_proba(frame.to_numpy())[:, 1])


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", _pipelines(None))
def test_a_pipeline_is_accepted_where_its_features_have_names(name: str, packing: str) -> None:
    frame, kinds = _rows(ATTACK, as_names=True)
    pipeline = _pipelines(DecisionTreeClassifier(max_depth=5))[name].fit(frame, kinds)
    found = _examined(pipeline, "attack_classifier", packing)
    _require_labels(found, frame.to_numpy(), pipeline.predict(frame))
    assert found.report.figures["layout"] == "pipeline"
    bare = _pipelines(LogisticRegression(max_iter=20))[name]
    bare = bare.set_params(**{bare.steps[-1][0]: DecisionTreeClassifier(max_depth=4)})
    if name == "pandas":
        return
    bare.fit(frame.to_numpy(), kinds)
    _refused_line(_examined(bare, "attack_classifier", packing))
    for value, profile in (
        (bare, {"expected_features": ATTACK}),
        ({"model": bare, "selected_features": ATTACK}, None),  # the line that the refusal shows
    ):
        found = _examined(value, "attack_classifier", packing, profile)
        _require_labels(found, frame.to_numpy(), bare.predict(frame.to_numpy()))


def test_the_profile_names_the_classes_of_a_bare_model_that_has_numbers() -> None:
    frame, names = _rows(ATTACK, as_names=True)
    codes = LabelEncoder().fit(CLASSES).transform(names)
    model = RandomForestClassifier(5, max_depth=5, random_state=1).fit(frame, codes)
    assert "no names" in _examined(model, "attack_classifier").report.reason
    found = _examined(model, "attack_classifier", profile={"class_labels": sorted(CLASSES)})
    _require_labels(found, frame.to_numpy(), np.array(sorted(CLASSES))[model.predict(frame)])
    assert "'class_labels' of the profile" in found.report.warnings[-2]
    reason = _examined(model, "attack_classifier", profile={"class_labels": [*CLASSES, "Bot"]}).report.reason
    assert "codes 0, 1, 2, 3 apart and class_labels of the profile names 5 classes" in reason


def test_a_bare_network_is_accepted_with_a_profile(ensemble: Any) -> None:
    network = ensemble[0][0]
    found = _examined(network, "threat_detector", profile={"expected_features": THREAT})
    expected = np.asarray(network(network_rows().astype("f4"), training=False))[:, 0]
    _require_scores(found, network_rows(), expected)
    _refused_line(_examined(network, "threat_detector"))
