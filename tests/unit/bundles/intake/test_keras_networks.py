"""Networks that Keras 2 and 3 wrote, whole or as configuration and weights, and graphs that no Keras writes."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.parity import run_graph
from netheal.contracts import contract
from tests.unit.bundles.intake.foreign.keras_networks import NETWORKS, rows, trained
from tests.unit.bundles.intake.honest_bundles import packed

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras itself
FOLDER = Path(__file__).parent / "foreign"
FILES = sorted(path.stem for path in FOLDER.glob("*.h5"))
NAMES = list(contract("threat/v1").names)
PROFILE = json.dumps({"expected_features": NAMES}).encode()


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("keras")


def _examined(path: Path) -> Examined:
    return examine(memoryview(path.read_bytes()), ExaminationRequest(".h5", "threat_detector", PROFILE))


def _require_scores(found: Examined, values: Any, expected: Any) -> None:
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert np.abs(run_graph(found.bundle.onnx, values)["score"] - expected).max() <= 1e-6
    assert np.ptp(expected) > 0.01, "a network that says always the same proves nothing"


@pytest.mark.parametrize("name", FILES)
def test_files_of_keras_2_are_accepted_and_answer_as_it_did(name: str) -> None:
    with np.load(FOLDER / f"{name}.npz") as told:
        _require_scores(_examined(FOLDER / f"{name}.h5"), told["rows"], told["scores"])


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_keras_3_are_accepted_and_answer_as_it_does(name: str, keras: Any, tmp_path: Path) -> None:
    network = trained(keras, name)
    network.save(tmp_path / "net.h5")
    expected = np.asarray(network(rows().astype("f4"), training=False))[:, 0]
    _require_scores(_examined(tmp_path / "net.h5"), rows(), expected)


@pytest.mark.parametrize("form", ["get_config", "to_json", "text"])
def test_configurations_with_weights_are_accepted(form: str, keras: Any) -> None:
    turn: dict[str, Callable[[Any], Any]] = {
        "get_config": lambda network: network.get_config(),
        "to_json": lambda network: json.loads(network.to_json()),
        "text": lambda network: network.to_json(),
    }
    layout: dict[str, Any] = {"artifacts": {"selected_features": NAMES, "scaler": None}}
    scores = []
    for part, name in (("ann", "nested"), ("lstm", "chain")):
        network = trained(keras, name)
        layout |= {f"{part}_config": turn[form](network), f"{part}_weights": network.get_weights()}
        scores.append(np.asarray(network(rows().astype("f4"), training=False))[:, 0])
    suffix, data = packed(layout, "none")
    found = examine(memoryview(data), ExaminationRequest(suffix, "threat_detector"))
    _require_scores(found, rows(), np.mean(scores, axis=0))


Bend = Callable[[dict[str, dict[str, Any]], dict[str, Any]], Any]


def _calls(name: str, *parents: Any) -> Bend:
    """Keras 2's way to say which values a layer takes."""
    return lambda layers, config: layers[name].update(inbound_nodes=[[[parent, 0, 0, {}] for parent in parents]])


def _options(name: str, **options: Any) -> Bend:
    return lambda layers, config: layers[name]["config"].update(options)


def _deeper(layers: dict[str, dict[str, Any]], config: dict[str, Any]) -> None:
    for _ in range(12):
        entry = {"class_name": "Sequential", "config": {"name": "deeper", "layers": config["layers"]}}
        config["layers"] = [{**entry, "name": "deeper", "inbound_nodes": []}]


def _doubling(layers: dict[str, dict[str, Any]], config: dict[str, Any]) -> None:
    before = "add"
    for place in range(60):
        name = f"double_{place}"
        entry = {"class_name": "Concatenate", "config": {"name": name, "axis": -1}, "name": name}
        config["layers"].insert(-6, {**entry, "inbound_nodes": [[[before, 0, 0, {}]] * 2]})
        before = name
    _calls("concatenate", before, "global_average_pooling1d")(layers, config)


BENDS: dict[str, Bend] = {
    "doubling": _doubling,
    "circle": _calls("dense_2", "concatenate"),
    "itself": _calls("dense_2", "dense_2"),
    "later": _calls("reshape", "dense_3"),
    "stranger": _calls("add", "inner", "nobody"),
    "no_text": _calls("add", "inner", 7),
    "nothing": _calls("add"),
    "called_twice": lambda layers, config: layers["add"]["inbound_nodes"].append(layers["add"]["inbound_nodes"][0]),
    "not_called": lambda layers, config: layers["add"].update(inbound_nodes=[]),
    "second_output": lambda layers, config: layers["add"].update(inbound_nodes=[[["inner", 0, 1, {}]]]),
    "other_shapes": _calls("add", "inner", "reshape"),
    "leads_nowhere": _calls("add", "inner"),
    "dense_of_two": _calls("dense_2", "input_1", "input_1"),
    "model_of_two": _calls("inner", "input_1", "input_1"),
    "in_training": lambda layers, config: layers["dropout"].update(
        inbound_nodes=[[["concatenate", 0, 0, {"training": True}]]]
    ),
    "first_state": lambda layers, config: layers["conv1d"].update(
        inbound_nodes=[[["reshape", 0, 0, {"initial_state": ["input_1", 0, 0]}]]]
    ),
    "operation_of_two": lambda layers, config: layers["add"].update(
        inbound_nodes=[{"args": [{"config": {"keras_history": ["inner", 0, 0]}}, 1.0], "kwargs": {}}]
    ),
    "two_outputs": lambda layers, config: config.update(output_layers=[["dense_3", 0, 0], ["dense_4", 0, 0]]),
    "no_outputs": lambda layers, config: config.update(output_layers=[]),
    "output_elsewhere": lambda layers, config: config.update(output_layers=[["nobody", 0, 0]]),
    "output_too_early": lambda layers, config: config.update(output_layers=[["add", 0, 0]]),
    "same_name_twice": lambda layers, config: layers["dense_2"].update(name="reshape"),
    "second_input": lambda layers, config: config["layers"].append({**layers["input_1"], "name": "again"}),
    "no_layers": lambda layers, config: config.update(layers=[]),
    "layers_no_list": lambda layers, config: config.update(layers={"a": 1}),
    "nested_without_layers": lambda layers, config: layers["inner"].update(config={"name": "inner"}),
    "nested_too_deep": _deeper,
    "nested_lambda": lambda layers, config: layers["inner"]["config"]["layers"][1].update(class_name="Lambda"),
    "nested_registered": lambda layers, config: layers["inner"]["config"]["layers"][1].update(registered_name="me>D"),
    "nested_of_fewer": lambda layers, config: layers["inner"]["config"]["layers"].pop(),
    "nested_without_scale": lambda layers, config: layers["inner"]["config"]["layers"][2]["config"].update(scale=False),
    "input_of_text": _options("input_1", batch_input_shape="ten"),
    "input_open": _options("input_1", batch_input_shape=[None, None]),
    "stride_none": _options("conv1d", strides=None),
    "stride_0": _options("conv1d", strides=[0]),
    "stride_negative": _options("conv1d", strides=[-1]),
    "kernel_size_text": _options("conv1d", kernel_size="os.system"),
    "kernel_size_of_two": _options("conv1d", kernel_size=[3, 3]),
    "kernel_size_other": _options("conv1d", kernel_size=[2]),
    "kernel_size_huge": _options("conv1d", kernel_size=[2**40]),
    "dilation_huge": _options("conv1d", dilation_rate=[2**40]),
    "filters_other": _options("conv1d", filters=5),
    "filters_negative": _options("conv1d", filters=-4),
    "filters_huge": _options("conv1d", filters=2**40),
    "groups": _options("conv1d", groups=2),
    "channels_first": _options("conv1d", data_format="channels_first"),
    "padding_unknown": _options("conv1d", padding="reflect"),
    "pool_causal": _options("max_pooling1d", padding="causal"),
    "pool_0": _options("max_pooling1d", pool_size=[0]),
    "pool_wider_than_steps": _options("max_pooling1d", pool_size=[400]),
    "axis_of_the_batch": _options("concatenate", axis=0),
    "axis_outside": _options("concatenate", axis=3),
    "axis_true": _options("concatenate", axis=True),
    "float16": _options("dense_2", dtype="float16"),
}


@pytest.mark.parametrize("name", BENDS)
def test_bent_graphs_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    shutil.copy(FOLDER / "keras2_15_branches.h5", path)
    with h5py.File(path, "r+") as file:
        document = json.loads(file.attrs["model_config"])
        entries = {entry["config"]["name"]: entry for entry in document["config"]["layers"]}
        BENDS[name](entries, document["config"])
        file.attrs["model_config"] = json.dumps(document)
    found = _examined(path)
    assert not found.report.accepted
    assert len(found.report.reason) > 20


def _both(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda config: change(config["layer"]["config"])


WAYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "summed": lambda config: config.update(merge_mode="sum"),
    "over_nothing": lambda config: config.pop("layer"),
    "over_a_text": lambda config: config.update(layer="LSTM"),
    "over_dense": lambda config: config["layer"].update(class_name="Dense"),
    "over_itself": lambda config: config["layer"].update(class_name="Bidirectional"),
    "over_a_lambda": lambda config: config["layer"].update(class_name="Lambda"),
    "over_code_of_its_own": lambda config: config["layer"].update(registered_name="me>LSTM"),
    "other_backwards": lambda config: config.update(
        backward_layer={"class_name": "LSTM", "config": {**config["layer"]["config"], "units": 9}}
    ),
    "backwards_already": _both(lambda options: options.update(go_backwards=True)),
    "other_units": _both(lambda options: options.update(units=7)),
    "units_of_text": _both(lambda options: options.update(units="os.system")),
    "other_activation": _both(lambda options: options.update(activation="os.system")),
}


@pytest.mark.parametrize("name", WAYS)
def test_bent_layers_of_both_ways_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    shutil.copy(FOLDER / "keras2_15_chain.h5", path)
    with h5py.File(path, "r+") as file:
        document = json.loads(file.attrs["model_config"])
        kinds = [entry["class_name"] for entry in document["config"]["layers"]]
        WAYS[name](document["config"]["layers"][kinds.index("Bidirectional")]["config"])
        file.attrs["model_config"] = json.dumps(document)
    found = _examined(path)
    assert not found.report.accepted
    assert len(found.report.reason) > 20


def test_weights_of_a_model_within_are_matched(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    shutil.copy(FOLDER / "keras2_15_branches.h5", path)
    with h5py.File(path, "r+") as file:
        group = file["model_weights/inner"]
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = [*names[:-1], names[0]]
    assert "needs weights of shape" in _examined(path).report.reason
