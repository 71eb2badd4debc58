"""Bare Keras files: read as data, and refused for anything that is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.neural import Network
from netheal.bundles.parity import run_graph
from netheal.bundles.reference import network_scores
from netheal.contracts import contract

NAMES = list(contract("threat/v1").names)
PROFILE = json.dumps({"expected_features": NAMES, "class_labels": ["Normal", "Attack"]}).encode()
Bend = Callable[[h5py.File, dict[str, Any]], None]


def _layer(kind: str, keras: int, **config: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_name": kind, "config": {"name": kind.lower() + str(len(config)), **config}}
    return entry | ({"module": "keras.layers", "registered_name": None} if keras == 3 else {})


def _network(keras: int) -> Network:
    random = np.random.default_rng(5)
    shape = {"batch_shape" if keras == 3 else "batch_input_shape": [None, 10]}
    layers = [
        _layer("InputLayer", keras, **shape),
        _layer("Dense", keras, units=6, activation="tanh", use_bias=True),
        _layer("BatchNormalization", keras, axis=[-1] if keras == 2 else -1, epsilon=0.001),
        _layer("Dense", keras, units=1, activation="sigmoid"),
    ]
    shapes = [(10, 6), (6,), (6,), (6,), (6,), (6,), (6, 1), (1,)]
    weights = [np.abs(random.normal(0, 0.4, shape)).astype("f4") for shape in shapes]
    return Network({"name": "net", "layers": layers}, weights)


def _file(path: Path, keras: int = 3, bend: Bend | None = None) -> Network:
    """What Keras writes, bent by `bend`, which has the file and the model's document."""
    network = _network(keras)
    document = {"class_name": "Sequential", "config": network.config}
    names = {"dense3": ["kernel", "bias"], "dense2": ["kernel", "bias"]}
    names["batchnormalization2"] = ["gamma", "beta", "moving_mean", "moving_variance"]
    left = list(network.weights)
    with h5py.File(path, "w") as file:
        for entry in network.config["layers"][1:]:
            name = entry["config"]["name"]
            group = file.create_group(f"model_weights/{name}")
            for part in names[name]:
                group[f"{name}/{part}:0"] = left.pop(0)
            group.attrs["weight_names"] = [f"{name}/{part}:0".encode() for part in names[name]]
        if bend is not None:
            bend(file, document)
        if "model_config" not in file.attrs:
            file.attrs["model_config"] = json.dumps(document)
    return network


def _examined(path: Path, profile: bytes | None = PROFILE) -> Examined:
    return examine(memoryview(path.read_bytes()), ExaminationRequest(".h5", "threat_detector", profile))


@pytest.mark.parametrize("keras", [2, 3])
def test_a_bare_network_is_accepted(keras: int, tmp_path: Path) -> None:
    network = _file(tmp_path / "net.h5", keras)
    found = _examined(tmp_path / "net.h5")
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    rows = np.random.default_rng(1).uniform(0, 1, (64, 10))
    assert np.abs(run_graph(found.bundle.onnx, rows)["score"] - network_scores(network, rows)).max() < 1e-6


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_bytes_after_its_end_are_refused(libver: str, tmp_path: Path) -> None:
    _file(tmp_path / "net.h5")
    path = tmp_path / "copy.h5"
    with h5py.File(tmp_path / "net.h5") as source, h5py.File(path, "w", libver=libver) as target:
        source.copy(source["model_weights"], target)
        target.attrs["model_config"] = source.attrs["model_config"]
    assert _examined(path).report.accepted, _examined(path).report.reason
    path.write_bytes(path.read_bytes() + b"#!/bin/sh")
    assert "9 bytes after the end of the .h5" in _examined(path).report.reason


def test_it_needs_a_profile(tmp_path: Path) -> None:
    _file(tmp_path / "net.h5")
    assert "needs a profile" in _examined(tmp_path / "net.h5", None).report.reason


def _config(change: Callable[[dict[str, Any]], Any]) -> Bend:
    return lambda file, document: change(document["config"]["layers"][1]) and None


def _replace(file: h5py.File, place: str, make: Callable[[], Any]) -> None:
    del file[place]
    file[place] = make()


def _external(file: h5py.File, document: dict[str, Any]) -> None:
    file.create_dataset("model_weights/dense3/outside", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def _virtual(file: h5py.File, document: dict[str, Any]) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (4,))
    file.create_virtual_dataset("model_weights/dense3/outside", layout)


def _huge(file: h5py.File, document: dict[str, Any]) -> None:
    del file["model_weights/dense3/dense3/kernel:0"]
    file.create_dataset("model_weights/dense3/dense3/kernel:0", (2**20, 2**20), "f4", chunks=(1, 1024))


def _attribute(file: h5py.File, document: dict[str, Any]) -> None:
    file.attrs["model_config"] = "[" * 100_000


def _outside_names(file: h5py.File, document: dict[str, Any]) -> None:
    file["model_weights/dense3"].attrs["weight_names"] = [b"../dense2/kernel:0", b"/model_weights"]


def _cyclic(file: h5py.File, document: dict[str, Any]) -> None:
    file["model_weights/again"] = file["model_weights"]


BENDS: dict[str, Bend] = {
    "lambda": _config(lambda layer: layer.update(class_name="Lambda", config={"function": ["YwEAAAA=", None, None]})),
    "custom_layer": _config(lambda layer: layer.update(class_name="Mine", registered_name="me>Mine")),
    "registered_dense": _config(lambda layer: layer.update(registered_name="me>Dense")),
    "module": _config(lambda layer: layer.update(module="os")),
    "module_of_initialiser": _config(
        lambda layer: layer["config"].update(kernel_initializer={"module": "subprocess", "class_name": "Popen"})
    ),
    "underscore_class": _config(lambda layer: layer["config"].update(__class__="x")),
    "wrong_units": _config(lambda layer: layer["config"].update(units=7)),
    "negative_units": _config(lambda layer: layer["config"].update(units=-6)),
    "text_units": _config(lambda layer: layer["config"].update(units="__import__('os')")),
    "other_activation": _config(lambda layer: layer["config"].update(activation="os.system")),
    "external_link": lambda file, document: _replace(
        file, "model_weights/dense3", lambda: h5py.ExternalLink("/etc/passwd", "/")
    ),
    "soft_link": lambda file, document: _replace(file, "model_weights/dense3", lambda: h5py.SoftLink("/model_weights")),
    "external_data": _external,
    "virtual_data": _virtual,
    "huge_array": _huge,
    "huge_nesting": _attribute,
    "names_outside": _outside_names,
    "groups_in_a_circle": _cyclic,
    "nan_weights": lambda file, document: _replace(
        file, "model_weights/dense3/dense3/kernel:0", lambda: np.full((10, 6), np.nan, "f4")
    ),
    "text_weights": lambda file, document: _replace(file, "model_weights/dense3/dense3/kernel:0", lambda: b"x"),
    "no_weights": lambda file, document: file.__delitem__("model_weights"),
    "subclassed_model": lambda file, document: document.update(class_name="MyModel"),
}


@pytest.mark.parametrize("name", BENDS)
def test_bent_files_are_refused(name: str, tmp_path: Path) -> None:
    _file(tmp_path / "net.h5", bend=BENDS[name])
    found = _examined(tmp_path / "net.h5")
    assert not found.report.accepted
    assert len(found.report.reason) > 20


def test_damaged_files_are_answered(tmp_path: Path) -> None:
    _file(tmp_path / "net.h5")
    good, random = (tmp_path / "net.h5").read_bytes(), np.random.default_rng(7)
    for _ in range(40):
        data = bytearray(good)
        for place in random.integers(8, len(data), 20):
            data[place] = random.integers(0, 256)
        report = examine(memoryview(bytes(data)), ExaminationRequest(".h5", "threat_detector", PROFILE)).report
        assert report.accepted or report.reason
