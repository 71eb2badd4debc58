"""What an honest but unfit bundle is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from netheal.bundles.intake.allow_list import Kind
from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.intake.fields import Fields
from netheal.bundles.intake.pipelines import BUNDLE_LINE
from netheal.bundles.intake.profile import read_profile
from netheal.bundles.intake.values import ArrayRecord, Name
from netheal.contracts import ModelType
from netheal.errors import BundleError
from netheal.wording import cause
from tests.unit.bundles.intake.honest_bundles import honest, packed


def _reason(layout: Any, model_type: ModelType = "attack_classifier", profile: Any = None) -> tuple[str, str]:
    suffix, data = packed(layout, "pkl4")
    text = None if profile is None else json.dumps(profile).encode()
    report = examine(memoryview(data), ExaminationRequest(suffix, model_type, text)).report
    assert not report.accepted
    return next(step.name for step in report.steps if step.passed is False), report.reason


def _threat(models: Path) -> dict[str, Any]:
    import joblib

    layout: dict[str, Any] = joblib.load(models / "threat_detector_ensemble" / "threat_detector_ensemble.joblib")
    return layout


def test_undeclared_features_are_refused_by_their_names() -> None:
    layout = honest("tree").layout
    layout["selected_features"] = ["beats", *layout["selected_features"][1:]]
    step, reason = _reason(layout)
    assert step == "features"
    assert '"beats"' in reason and '"feature_definitions"' in reason


def test_wrong_definitions_of_features_are_refused() -> None:
    step, reason = _reason(honest("tree").layout, profile={"feature_definitions": {"beats": {"type": "number"}}})
    assert (step, "minimum" in reason) == ("features", True)


def test_stripped_names_are_refused_with_a_hint() -> None:
    layout = honest("tree").layout
    layout["selected_features"] = [name.strip() for name in layout["selected_features"]]
    assert "leading spaces count" in _reason(layout)[1]


def test_another_estimator_is_named() -> None:
    layout = honest("tree").layout
    for model in (KNeighborsClassifier(1), SVC()):
        layout["model"] = model.fit(np.eye(3), [0, 1, 2])
        step, reason = _reason(layout)
        assert step == "loading"
        assert "sklearn." in reason
        assert "accepted are" in reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "nor the serving layout"),
        ({"selected_features": ["a"]}, "42 features"),
        ({"label_encoder": None, "attack_types": None}, "no names"),
        ({"label_encoder": None, "attack_types": {0: "BENIGN", 1: "x", 2: "y", 3: "z"}}, "none of the 14"),
        ({"scaler": "standard"}, "the scaler is a text: accepted"),
        ({"metadata": {"version": "\n" * 99}}, "version"),
    ],
)
def test_parts_that_do_not_fit(change: Any, words: str) -> None:
    assert words in _reason({**honest("tree").layout, **change})[1]


def test_scalers_that_do_not_fit() -> None:
    for name, value in (("scale_", np.zeros(42)), ("mean_", np.full(42, np.nan)), ("mean_", np.zeros(41))):
        layout = honest("tree").layout
        setattr(layout["scaler"], name, value)
        assert _reason(layout)[0] in ("structure", "test_prediction")


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"expected_features": ["a"]}, "expected_features"),
        ({"class_labels": ["BENIGN"]}, "class_labels"),
        ({"preprocessing_pipeline": {"n_features_selected": 7}}, "7 features"),
        ({"preprocessing_pipeline": {"scaler_type": "RobustScaler"}}, "StandardScaler"),
        (["a list"], "no fields"),
    ],
)
def test_a_profile_that_disagrees_is_refused(profile: Any, words: str) -> None:
    assert words in _reason(honest("tree").layout, profile=profile)[1]


def test_thresholds_outside_0_and_1_are_refused() -> None:
    for threshold in (0, 1.5, float("nan"), "0.5"):
        layout = {**honest("tree", model_type="threat_detector").layout, "threshold": threshold}
        assert "threshold" in _reason(layout, "threat_detector")[1]


def test_weights_that_do_not_fit_the_config_are_refused(models: Path) -> None:
    for change, words in (
        (lambda weights: weights[:-1], "no weights left"),
        (lambda weights: [*weights, weights[0]], "belong to no layer"),
        (lambda weights: [weights[0].T, *weights[1:]], "needs weights of shape"),
        (lambda weights: [weights[0] * np.float32("nan"), *weights[1:]], "not finite"),
        (lambda weights: [weights[0].astype("i4"), *weights[1:]], "floats"),
    ):
        layout = _threat(models)
        layout["ann_weights"] = change(layout["ann_weights"])
        assert words in _reason(layout, "threat_detector")[1]


def test_configs_that_cannot_be_served_are_refused(models: Path) -> None:
    for kind in ("Lambda", "TFOpLambda", "__class__", "os.system"):
        layout = _threat(models)
        layout["ann_config"]["layers"][1]["class_name"] = kind
        assert "not one that can be served" in _reason(layout, "threat_detector")[1]


@pytest.mark.parametrize(
    "text", [rb'{"a": "\u0000"}', rb'{"a": "\ud800"}', b'{"a": NaN}', b'{"a": 1e400}', b"[" * 100_000]
)
def test_a_profile_that_cannot_be_stored_is_refused(text: bytes) -> None:
    with pytest.raises(BundleError):
        read_profile(text)


def test_reasons_are_in_words_and_not_in_pythons_notation() -> None:
    tree = honest("tree").layout
    renamed = {**tree, "selected_features": ["\u2028a", *tree["selected_features"][1:]]}
    layouts: list[Any] = [{"some": 1, "keys": 2}, renamed]
    layouts += [{**tree, "label_encoder": None, "attack_types": {0: "BENIGN", 1: "x", 2: "y", 3: "z"}}]
    layouts += [{**tree, "label_encoder": {"classes_": []}}, {**tree, "scaler": {"a": [1]}}]
    for layout in layouts:
        reason = _reason(layout)[1].replace(BUNDLE_LINE, "")
        assert not set(reason) & set("[]{}'") and "Error(" not in reason, reason
        assert reason.isprintable()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ArrayRecord(), "is an array"),
        ([1], "is a list"),
        (memoryview(b""), "is raw bytes"),
        (Name("a.Some", Kind.OBJECT), "is a name"),
    ],
)
def test_what_a_value_is_is_told_without_names_of_python(value: Any, words: str) -> None:
    with pytest.raises(BundleError, match=f'^"model" of the file {words}, not a model\'s object$'):
        Fields({"model": value}, "the file").record("model")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("units"), '"units" is missing'),
        (KeyError(), "nothing is missing"),
        (AttributeError("'NoneType' object has no attribute 'x'"), "a value is of another kind"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ValueError("two\nlines\x07"), "two lines"),
        (ValueError(), "a value is wrong"),
    ],
)
def test_an_error_of_python_is_told_in_words(error: Exception, words: str) -> None:
    assert cause(error).startswith(words) or words in cause(error)
