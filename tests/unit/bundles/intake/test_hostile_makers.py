"""What comes through the doors for makers' bundles and is refused: nothing is imported, called or read elsewhere."""

import io
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.intake.sandbox import examine_file
from netheal.contracts import ModelType, contract
from tests.unit.bundles.intake import makers_classes
from tests.unit.bundles.intake.honest_bundles import CLASSES, honest, packed
from tests.unit.bundles.intake.hostile_files import fires
from tests.unit.bundles.intake.makers_classes import Frozen, OwnState, PreprocessArtifacts, Scaler, Tuple

FOLDER = Path(__file__).parent / "foreign"
ATTACK = list(contract("attack/v1").names)
THREAT = list(contract("threat/v1").names)
_HEAD, _MODULE = b"\x80\x04", "netheal_test_payload"


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _report(data: bytes, suffix: str = ".pkl", model_type: ModelType = "attack_classifier") -> Examined:
    found = examine(memoryview(data), ExaminationRequest(suffix, model_type))
    assert not found.report.accepted
    assert len(found.report.reason) > 20
    return found


def _reason(value: Any, model_type: ModelType = "attack_classifier", packing: str = "pkl4") -> str:
    suffix, data = packed(value, packing)
    return _report(data, suffix, model_type).report.reason


OBJECT = _name(_MODULE, "Artifacts")
PICKLES = {
    "called": OBJECT + b")R",
    "called_with_arguments": OBJECT + _text("x") + b"\x85R",
    "made_with_arguments": OBJECT + _text("x") + b"\x85\x81",
    "made_with_keywords": OBJECT + b")}\x92",
    "state_of_a_text": OBJECT + b")\x81" + _text("x") + b"b",
    "state_of_a_list": OBJECT + b")\x81]b",
    "state_of_an_object": OBJECT + b")\x81" + OBJECT + b")\x81b",
    "state_of_three": OBJECT + b")\x81}}}\x87b",
    "state_of_a_pair_of_lists": OBJECT + b")\x81]]\x86b",
    "state_by_numbers": OBJECT + b")\x81}K\x01K\x02sb",
    "state_twice": OBJECT + b")\x81}b}b",
    "state_of_itself": OBJECT + b")\x81q\x00h\x00b",
    "items_of_an_object": OBJECT + b")\x81" + _text("a") + _text("b") + b"s",
    "elements_of_an_object": OBJECT + b")\x81(" + _text("a") + b"\x90",
    "appended_to_an_object": OBJECT + b")\x81" + _text("a") + b"a",
    "the_class_itself": OBJECT,
    "called_by_an_object": OBJECT + b")\x81)R",
    "setstate": OBJECT + b")\x81}" + _text("__setstate__") + _name("os", "system") + b"sb",
    "attribute_of_it": _name("builtins", "getattr") + OBJECT + _text("run") + b"\x86R",
    "dotted": _text(_MODULE) + _text("os.system") + b"\x93" + _text("true") + b"\x85R",
    "python_2_names": _name("__builtin__", "execfile") + _text("x") + b"\x85R",
    "namespace_of_arguments": _name("types", "SimpleNamespace") + b"}\x85R",
    "set_of_lists": b"\x8f(]\x90",
    "set_of_tuples": b"\x8f()\x90",
    "set_of_objects": b"\x8f(" + OBJECT + b")\x81\x90",
    "frozen_set_of_lists": b"(]\x91",
    "set_of_a_text": _name("builtins", "set") + _text("abc") + b"\x85R",
    "set_of_two": _name("builtins", "set") + b"]]\x86R",
    "set_of_sets": _name("__builtin__", "set") + b"](\x8fe\x85R",
    "elements_of_a_list": b"](K\x01\x90",
    "append_to_a_set": b"\x8fK\x01a",
}


@pytest.fixture
def payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a mark when somebody imports it."""
    marker = tmp_path / "marker"
    (tmp_path / f"{_MODULE}.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nclass Artifacts: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return marker


def _in_a_bundle(artifacts: bytes) -> bytes:
    """A training layout whose artifacts these opcodes make."""
    model = pickle.dumps(honest("tree").layout["model"], protocol=2)[2:-1]
    return _HEAD + b"}(" + _text("model") + model + _text("artifacts") + artifacts + b"u."


@pytest.mark.parametrize("name", PICKLES)
def test_other_objects_and_sets_are_refused(name: str, payload: Path) -> None:
    found = _report(_in_a_bundle(PICKLES[name]))
    assert found.report.steps[1].passed == (name == "the_class_itself"), found.report.reason
    assert not payload.exists()
    assert _MODULE not in sys.modules


def _written_by_a_maker(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An honest bundle whose artifacts are of a class of the module."""
    module, layout = ModuleType(_MODULE), honest("tree", training=True).layout
    artifacts = type("Artifacts", (), {"__module__": _MODULE})
    module.__dict__["Artifacts"] = artifacts
    value = artifacts()
    vars(value).update(layout["artifacts"])
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, _MODULE, module)
        return pickle.dumps({**layout, "artifacts": value})


def test_the_class_of_artifacts_is_never_imported(
    payload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundle.pkl"
    file.write_bytes(_written_by_a_maker(monkeypatch))
    for found in (
        examine(memoryview(file.read_bytes()), ExaminationRequest(".pkl", "attack_classifier")),
        examine_file(file, ExaminationRequest(".pkl", "attack_classifier")),
    ):
        assert found.report.accepted, found.report.reason
        assert not payload.exists()
    assert _MODULE not in sys.modules
    fires(file.read_bytes(), ".pkl", tmp_path / "loaded.pkl")
    assert payload.exists(), "whoever loads it does import"


@pytest.mark.parametrize("name", ["called", "state_of_itself", "setstate"])
def test_the_sandbox_refuses_as_well(name: str, payload: Path, tmp_path: Path) -> None:
    file = tmp_path / "bundle.pkl"
    file.write_bytes(_in_a_bundle(PICKLES[name]))
    assert not examine_file(file, ExaminationRequest(".pkl", "attack_classifier")).report.accepted
    assert not payload.exists()


_DICTIONARY = "save its fields as a dictionary: vars(artifacts), or dataclasses.asdict(artifacts)"


@pytest.mark.parametrize(
    ("artifacts", "words"),
    [
        (Frozen(ATTACK, None), f"in a way of its own, which only its code could read: {_DICTIONARY}"),
        (OwnState(selected_features=ATTACK), f"in a way of its own, which only its code could read: {_DICTIONARY}"),
        (Tuple(ATTACK, None), f"without the names of its fields: {_DICTIONARY}"),
        (PreprocessArtifacts(), 'has no "feature_columns"'),
        (PreprocessArtifacts(**{f"field_{number}": 1 for number in range(1001)}), "in a way of its own"),
    ],
)
def test_objects_without_named_fields_are_told_what_to_do(artifacts: Any, words: str) -> None:
    assert words in _reason({**honest("tree", training=True).layout, "artifacts": artifacts})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("model", f'the model is an object of "{makers_classes.__name__}'),
        ("scaler", f'the scaler is an object of "{makers_classes.__name__}'),
        ("label_encoder", "the label encoder is no LabelEncoder"),
        ("selected_features", '"selected_features" of the file is no list'),
    ],
)
def test_an_object_of_the_makers_is_no_model_and_no_part_of_one(place: str, words: str) -> None:
    assert words in _reason({**honest("tree").layout, place: makers_classes.Scaler()})


def test_a_class_that_is_called_as_scikit_learns_is_not_it() -> None:
    tree = makers_classes.DecisionTreeClassifier()
    vars(tree).update(vars(honest("tree").layout["model"]))
    for value in (tree, {**honest("tree").layout, "model": tree}):
        assert makers_classes.__name__ in _reason(value)


def _circle() -> Any:
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    pipeline.steps[0] = ("itself", pipeline)
    return pipeline


def _deep() -> Any:
    pipeline: Any = DecisionTreeClassifier()
    for _ in range(60):
        pipeline = Pipeline([("next", pipeline)])
    return pipeline


def _with(**state: Any) -> Any:
    pipeline = Pipeline([("model", DecisionTreeClassifier())])
    vars(pipeline).update(state)
    return pipeline


_TREE = honest("tree").layout["model"]
PIPELINES: dict[str, Callable[[], Any]] = {
    "no_steps": lambda: _with(steps=[]),
    "steps_missing": lambda: _with(steps=None),
    "steps_no_list": lambda: _with(steps=(("model", _TREE),)),
    "steps_no_pairs": lambda: _with(steps=[_TREE]),
    "steps_of_numbers": lambda: _with(steps=[(1, _TREE)]),
    "steps_too_many": lambda: _with(steps=[("nothing", "passthrough")] * 20 + [("model", _TREE)]),
    "only_passthrough": lambda: _with(steps=[("nothing", "passthrough")]),
    "two_scalers": lambda: make_pipeline(StandardScaler(), StandardScaler(), _TREE),
    "scaler_last": lambda: make_pipeline(StandardScaler()),
    "model_first": lambda: _with(steps=[("a", _TREE), ("b", _TREE)]),
    "makers_step": lambda: make_pipeline(Scaler(), _TREE),
    "makers_model": lambda: make_pipeline(StandardScaler(), makers_classes.DecisionTreeClassifier()),
    "text_step": lambda: _with(steps=[("a", "os.system"), ("b", _TREE)]),
    "foreign_step": lambda: make_pipeline(PCA(2), _TREE),
    "search": lambda: make_pipeline(StandardScaler(), GridSearchCV(_TREE, {"max_depth": [2]})),
    "nested": lambda: make_pipeline(make_pipeline(StandardScaler()), _TREE),
    "nested_last": lambda: make_pipeline(StandardScaler(), make_pipeline(_TREE)),
    "circle": _circle,
    "deep": _deep,
    "not_fitted": lambda: make_pipeline(StandardScaler(), DecisionTreeClassifier()),
}


_SAID_OF_PIPELINES = {
    "no_steps": "no list of 1 to 16 steps",
    "steps_no_list": "no list of 1 to 16 steps",
    "steps_no_pairs": "no pair of a name and an estimator",
    "steps_of_numbers": "no pair of a name and an estimator",
    "two_scalers": "more than a scaler and a model",
    "nested": "more than a scaler and a model",
    "circle": "more than a scaler and a model",
    "nested_last": "the model is a Pipeline",
    "deep": "the model is a Pipeline",
    "scaler_last": "the model is a StandardScaler",
    "model_first": "the scaler is a DecisionTreeClassifier",
    "makers_step": "the scaler is an object of",
    "makers_model": "the model is an object of",
}


@pytest.mark.parametrize("name", PIPELINES)
def test_other_pipelines_are_refused(name: str) -> None:
    pipeline = PIPELINES[name]()
    assert _reason(pipeline)
    bundle = {"model": pipeline, "selected_features": ATTACK, "attack_types": CLASSES}
    assert _SAID_OF_PIPELINES.get(name, "") in _reason(bundle)


def test_a_scaler_beside_a_pipeline_s_own_is_refused() -> None:
    layout = honest("tree").layout
    layout["model"] = make_pipeline(layout["scaler"], layout["model"])
    assert "a scaler beside a Pipeline that has one" in _reason(layout)


def test_what_a_search_found_is_to_be_saved() -> None:
    assert "search.best_estimator_" in _reason(GridSearchCV(_TREE, {"max_depth": [2]}))


def _whole(change: Callable[[h5py.File], Any]) -> bytes:
    out = io.BytesIO((FOLDER / "keras2_15_branches.h5").read_bytes())
    with h5py.File(out, "r+") as file:
        change(file)
    return out.getvalue()


def _put(file: h5py.File, place: str, value: Any) -> None:
    del file[place]
    file[place] = value


def _large(file: h5py.File) -> None:
    del file["model_weights/dense_2/dense_2/kernel:0"]
    file.create_dataset("model_weights/dense_2/dense_2/kernel:0", (2**20, 2**10), "f4", compression="gzip")


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((10, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10, 3))
    del file["model_weights/dense_2/dense_2/kernel:0"]
    file.create_virtual_dataset("model_weights/dense_2/dense_2/kernel:0", layout)


def _elsewhere(file: h5py.File) -> None:
    del file["model_weights/dense_2/dense_2/kernel:0"]
    places = [("/etc/passwd", 0, 120)]
    file.create_dataset("model_weights/dense_2/dense_2/kernel:0", (10, 3), "f4", external=places)


def _circle_of_groups(file: h5py.File) -> None:
    file["model_weights/again"] = file["model_weights"]


_GOOD = (FOLDER / "keras2_15_branches.h5").read_bytes()
H5: dict[str, Callable[[], Any]] = {
    "a_text": lambda: "ann.h5",
    "a_path": lambda: ["ann.h5"],
    "a_program": lambda: b"#!/bin/sh\nexit 0\n" * 99,
    "an_archive": lambda: b"PK\x03\x04" + bytes(200),
    "nothing": lambda: b"",
    "head_alone": lambda: _GOOD[:8],
    "cut_short": lambda: _GOOD[:-1000],
    "bytes_after": lambda: _GOOD + b"#!/bin/sh\n",
    "damaged": lambda: _GOOD[:96] + b"\xff" * 64 + _GOOD[160:],
    "external_link": lambda: _whole(lambda file: _put(file, "model_weights/dense_2", h5py.ExternalLink("/x", "/"))),
    "soft_link": lambda: _whole(lambda file: _put(file, "model_weights/dense_2", h5py.SoftLink("/model_weights"))),
    "link_at_the_top": lambda: _whole(lambda file: _put(file, "model_weights", h5py.ExternalLink("/etc/x.h5", "/"))),
    "virtual": lambda: _whole(_virtual),
    "array_elsewhere": lambda: _whole(_elsewhere),
    "bomb": lambda: _whole(_large),
    "circle": lambda: _whole(_circle_of_groups),
    "own_code": lambda: _whole(lambda file: file.attrs.__setitem__("model_config", '{"class_name": "os.system"}')),
    "config_gone": lambda: _whole(lambda file: file.attrs.__delitem__("model_config")),
    "weights_gone": lambda: _whole(lambda file: file.__delitem__("model_weights")),
}


_SAID_OF_H5 = {
    "a_text": "neither a list of arrays nor the bytes of an .h5",
    "a_program": "raw bytes and no .h5",
    "an_archive": "raw bytes and no .h5",
    "bytes_after": "bytes after the end of the .h5",
    "external_link": "leads elsewhere",
    "link_at_the_top": "leads elsewhere",
    "soft_link": "leads elsewhere",
    "virtual": "lies in another file",
    "array_elsewhere": "lies in another file",
    "bomb": "larger than a network's array",
    "circle": "more groups than a network has",
}


@pytest.mark.parametrize("name", H5)
@pytest.mark.parametrize("config", [True, False])
def test_other_bytes_than_those_of_an_h5_are_refused(name: str, config: bool) -> None:
    with h5py.File(FOLDER / "keras2_15_branches.h5") as file:
        text = file.attrs["model_config"]
    layout = {"artifacts": {"selected_features": THREAT}, "ann_weights": H5[name](), "lstm_weights": _GOOD}
    reason = _reason(layout | ({"ann_config": text, "lstm_config": text} if config else {}), "threat_detector")
    assert _SAID_OF_H5.get(name, "") in reason


def test_a_configuration_beside_another_model_is_refused() -> None:
    with h5py.File(FOLDER / "keras2_15_chain.h5") as file:
        text = file.attrs["model_config"]
    layout = {"artifacts": {"selected_features": THREAT}, "ann_weights": _GOOD, "lstm_weights": _GOOD}
    assert "other layers than the configuration" in _reason(layout | {"ann_config": text}, "threat_detector")


def test_thousands_of_names_for_one_set_of_fields_are_answered() -> None:
    fields = b"}(" + b"".join(_text(f"f{number}") + b"K\x01" for number in range(1000)) + b"uq\x00"
    many = b"".join(OBJECT + b")\x81h\x00b0" for _ in range(20_000))
    _report(_HEAD + fields + many + b".")


def test_weights_that_hold_one_array_often_are_refused() -> None:
    array = np.zeros((2048, 2048), "f4")
    layout = {"artifacts": {"selected_features": THREAT}, "ann_weights": (array,) * 10, "lstm_weights": _GOOD}
    assert "expands to more than" in _reason(layout | {"ann_config": "{}"}, "threat_detector")
