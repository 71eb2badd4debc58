"""Keras models that were pickled whole into a bundle, and archives and calls that Keras does not write."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from netheal.bundles.intake.decompress import plain_bytes
from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.intake.unpickle import unpickle
from netheal.bundles.parity import run_graph
from netheal.contracts import contract
from tests.unit.bundles.intake.foreign.keras_networks import NETWORKS, rows, trained, whole
from tests.unit.bundles.intake.honest_bundles import packed

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras itself
FOLDER = Path(__file__).parent / "foreign"
THREAT = ExaminationRequest(".joblib", "threat_detector")
NAMES = list(contract("threat/v1").names)


def _require_scores(data: bytes, order: ExaminationRequest, values: Any, expected: Any) -> None:
    found = examine(memoryview(data), order)
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    assert np.abs(run_graph(found.bundle.onnx, values)["score"] - expected).max() <= 1e-6


@pytest.mark.parametrize("name", ["keras2_15_branches", "tf_keras_branches"])
def test_those_of_keras_2_are_accepted(name: str) -> None:
    with np.load(FOLDER / f"{name}.npz") as told:
        _require_scores((FOLDER / f"{name}.joblib").read_bytes(), THREAT, told["rows"], told["scores"])


@pytest.mark.parametrize("name", NETWORKS)
def test_those_of_keras_3_are_accepted(name: str) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    network = trained(pytest.importorskip("keras"), name)
    expected = np.asarray(network(rows().astype("f4"), training=False))[:, 0]
    for packing in ("pkl2", "pkl3", "pkl4", "pkl5", "none"):
        suffix, data = packed(whole(network), packing)
        _require_scores(data, replace(THREAT, suffix=suffix), rows(), expected)


def test_an_attack_classifier_that_is_a_network_is_told_why() -> None:
    data = (FOLDER / "keras2_15_branches.joblib").read_bytes()
    report = examine(memoryview(data), ExaminationRequest(".joblib", "attack_classifier")).report
    assert "an attack classifier that is a network" in report.reason


Members = dict[str, bytes]


def _members() -> Members:
    data = memoryview((FOLDER / "keras2_15_branches.joblib").read_bytes())
    inner = unpickle(plain_bytes(data)[1])["model"].args[0]
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _bytes(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


_LOADER = b"ckeras.src.saving.pickle_utils\ndeserialize_model_from_bytecode\n"
_GETATTR = b"cbuiltins\ngetattr\n"
_MODEL = b"ckeras.src.models.functional\nFunctional\n"


def _bundle(model: bytes) -> bytes:
    """A serving layout of opcodes that make its model."""
    names = b"](" + b"".join(_text(name) for name in NAMES) + b"e"
    return b"\x80\x04}(" + _text("model") + model + _text("selected_features") + names + b"u."


def _loaded(archive: bytes) -> bytes:
    return _bundle(_LOADER + _bytes(archive) + b"\x85R")


def test_the_archive_may_be_deflated() -> None:
    with np.load(FOLDER / "keras2_15_branches.npz") as told:
        archive = _archive(_members(), zipfile.ZIP_DEFLATED)
        _require_scores(_loaded(archive), replace(THREAT, suffix=".pkl"), told["rows"], told["scores"])


def _weights(change: Callable[[h5py.File], Any]) -> Callable[[Members], Any]:
    def bend(members: Members) -> None:
        inner = io.BytesIO(members["model.weights.h5"])
        with h5py.File(inner, "r+") as file:
            change(file)
        members["model.weights.h5"] = inner.getvalue()

    return bend


def _config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Members], Any]:
    def bend(members: Members) -> None:
        document = json.loads(members["config.json"])
        change(document)
        members["config.json"] = json.dumps(document).encode()

    return bend


def _put(file: h5py.File, place: str, value: Any) -> None:
    del file[place]
    file[place] = value


ARCHIVES: dict[str, Callable[[Members], Any]] = {
    "no_config": lambda members: members.pop("config.json"),
    "no_weights": lambda members: members.pop("model.weights.h5"),
    "another_member": lambda members: members.update({"../../evil.py": b"x"}),
    "assets": lambda members: members.update({"assets/vocabulary.txt": b"x"}),
    "config_no_json": lambda members: members.update({"config.json": b"import os"}),
    "config_too_large": lambda members: members.update({"config.json": b" " * (5 << 20)}),
    "config_too_deep": lambda members: members.update({"config.json": b"[" * 100_000}),
    "metadata_no_json": lambda members: members.update({"metadata.json": b"[" * 100_000}),
    "weights_no_hdf5": lambda members: members.update({"model.weights.h5": b"x" * 4096}),
    "lambda": _config(lambda document: document["config"]["layers"][1].update(class_name="Lambda")),
    "own_code": _config(lambda document: document["config"]["layers"][1].update(module="os")),
    "registered": _config(lambda document: document["config"]["layers"][1].update(registered_name="me>Dense")),
    "subclassed": _config(lambda document: document.update(class_name="Mine", registered_name="me>Mine")),
    "array_missing": _weights(lambda file: file.__delitem__("layers/dense/vars/1")),
    "array_of_another_shape": _weights(lambda file: _put(file, "layers/dense/vars/1", np.zeros(7, "f4"))),
    "array_too_many": _weights(lambda file: file.create_dataset("layers/dense/vars/2", (3,), "f4")),
    "array_by_another_name": _weights(lambda file: file.move("layers/dense/vars/1", "layers/dense/vars/one")),
    "array_of_texts": _weights(lambda file: _put(file, "layers/dense/vars/1", b"text")),
    "array_of_nan": _weights(lambda file: _put(file, "layers/dense/vars/1", np.full(3, np.nan, "f4"))),
    "link_elsewhere": _weights(lambda file: _put(file, "layers/dense/vars", h5py.ExternalLink("/etc/passwd", "/"))),
    "link_within": _weights(lambda file: _put(file, "layers/dense/vars", h5py.SoftLink("/layers"))),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_bent_archives_are_refused(name: str) -> None:
    members = _members()
    ARCHIVES[name](members)
    report = examine(memoryview(_loaded(_archive(members))), replace(THREAT, suffix=".pkl")).report
    assert not report.accepted
    assert len(report.reason) > 20


def _lying() -> bytes:
    """An archive whose directory says that a member is small, and which is not."""
    data = bytearray(_archive({**_members(), "model.weights.h5": bytes(300 << 20)}, zipfile.ZIP_DEFLATED))
    place = data.rindex(b"model.weights.h5") - 46
    data[place + 24 : place + 28] = struct.pack("<I", 1000)
    return bytes(data)


def _twice() -> bytes:
    out = io.BytesIO(_archive(_members()))
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", _members()["config.json"])
    return out.getvalue()


_GOOD = _bytes(_archive({}))
PICKLES: dict[str, Callable[[], bytes]] = {
    "no_archive": lambda: _loaded(b"PK\x03\x04" + bytes(100)),
    "nothing": lambda: _loaded(b""),
    "cut_short": lambda: _loaded(_archive(_members())[:-100]),
    "bomb": lambda: _loaded(_archive({**_members(), "config.json": bytes(64 << 20)}, zipfile.ZIP_DEFLATED)),
    "bomb_that_lies": lambda: _loaded(_lying()),
    "packed_with_lzma": lambda: _loaded(_archive(_members(), zipfile.ZIP_LZMA)),
    "member_twice": lambda: _loaded(_twice()),
    "loader_of_a_text": lambda: _bundle(_LOADER + _text("model.keras") + b"\x85R"),
    "loader_of_two": lambda: _bundle(_LOADER + _GOOD + _GOOD + b"\x86R"),
    "loader_of_nothing": lambda: _bundle(_LOADER + b")R"),
    "loader_with_a_state": lambda: _bundle(_LOADER + _GOOD + b"\x85R}b"),
    "bare_loader": lambda: _bundle(_LOADER),
    "bare_class": lambda: _bundle(_MODEL),
    "class_called": lambda: _bundle(_MODEL + b")R"),
    "another_attribute": lambda: _bundle(_GETATTR + _MODEL + _text("from_config") + b"\x86R}\x85R"),
    "attribute_of_a_text": lambda: _bundle(_GETATTR + _text("x") + _text("_unpickle_model") + b"\x86R)R"),
    "attribute_of_another": lambda: _bundle(_GETATTR + b"cnumpy\ndtype\n" + _text("_unpickle_model") + b"\x86R)R"),
    "attribute_or_else": lambda: _bundle(_GETATTR + _MODEL + _text("_unpickle_model") + _LOADER + b"\x87R)R"),
    "bytes_io_of_a_text": lambda: _bundle(_LOADER + b"c_io\nBytesIO\n)\x81(" + _text("x") + b"K\x00Ntb\x85R"),
    "bytes_io_called": lambda: _bundle(_LOADER + b"c_io\nBytesIO\n" + _GOOD + b"\x85R\x85R"),
    "bytes_io_without_state": lambda: _bundle(_LOADER + b"c_io\nBytesIO\n)\x81\x85R"),
}


@pytest.mark.parametrize(
    ("before", "after"), [(b"#!/bin/sh\n", b""), (b"", b"#!/bin/sh\n"), (b"PK\x03\x04", b""), (b"", bytes(22))]
)
def test_bytes_around_an_archive_are_refused(before: bytes, after: bytes) -> None:
    data = _loaded(before + _archive(_members()) + after)
    report = examine(memoryview(data), replace(THREAT, suffix=".pkl")).report
    assert "bytes before or after the Keras model's archive" in report.reason


@pytest.mark.parametrize("name", PICKLES)
def test_other_calls_and_archives_are_refused(name: str) -> None:
    report = examine(memoryview(PICKLES[name]()), replace(THREAT, suffix=".pkl")).report
    assert not report.accepted
    assert len(report.reason) > 20
