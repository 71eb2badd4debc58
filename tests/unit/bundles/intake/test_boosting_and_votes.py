"""Histogram boosting and hard votes: where the last bit decides, and what a bent file is told."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from netheal.bundles.build import class_ids
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.parity import run_graph
from netheal.contracts import ModelType
from tests.unit.bundles.intake.honest_bundles import CLASSES, honest, packed, predicted


def _examined(layout: dict[str, Any], model_type: ModelType = "attack_classifier") -> Examined:
    suffix, data = packed(layout, "none")
    return examine(memoryview(data), ExaminationRequest(suffix, model_type))


def _graph(layout: dict[str, Any], model_type: ModelType = "attack_classifier") -> bytes:
    found = _examined(layout, model_type)
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    return found.bundle.onnx


def _rows_at_thresholds(model: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that lie on a threshold, or one double beside it."""
    made: list[NDArray[np.float64]] = []
    for tree in (tree for trees in model._predictors for tree in trees):
        for node in tree.nodes[tree.nodes["is_leaf"] == 0]:
            threshold = node["num_threshold"]
            for value in (threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, 0)):
                row = rows[len(made) % len(rows)].copy()
                row[node["feature_idx"]] = value
                made.append(row)
    return np.array(made)


@pytest.mark.parametrize("model_type", ["attack_classifier", "threat_detector"])
def test_rows_one_double_beside_a_threshold_fall_to_scikit_learns_side(model_type: ModelType) -> None:
    made = honest("histogram", "none", model_type)
    model = made.layout["model"]
    rows = _rows_at_thresholds(model, made.rows)
    answers, shares = run_graph(_graph(made.layout, model_type), rows), model.predict_proba(rows)
    if model_type == "threat_detector":
        assert np.abs(answers["score"] - shares[:, 1]).max() < 1e-12
        return
    assert (answers["label"] == np.array(class_ids(CLASSES))[shares.argmax(axis=1)]).all()
    assert np.abs(answers["confidence"] - shares.max(axis=1)).max() < 1e-12


def test_a_boosting_that_was_fitted_on_missing_values_is_served() -> None:
    made = honest("histogram", "none")
    kinds, holes = made.layout["model"].predict(made.rows), made.rows.copy()
    holes[kinds == 1, 5] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5).fit(holes, kinds)
    thresholds = np.concatenate([tree.nodes["num_threshold"] for trees in model._predictors for tree in trees])
    assert np.isinf(thresholds).any()
    answers = run_graph(_graph({**made.layout, "model": model}), made.rows)
    assert (answers["label"] == np.array(class_ids(CLASSES))[model.predict_proba(made.rows).argmax(axis=1)]).all()


@pytest.mark.parametrize("weights", [None, [3, 1, 1, 2.5]])
@pytest.mark.parametrize("model_type", ["attack_classifier", "threat_detector"])
def test_ties_of_votes_go_to_scikit_learns_class(model_type: ModelType, weights: list[float] | None) -> None:
    made = honest("tree", "none", model_type)
    kinds = made.layout["model"].predict(made.rows)
    stumps = (DecisionTreeClassifier(max_depth=2, max_features=1, random_state=seed) for seed in range(4))
    members = [(str(place), stump) for place, stump in enumerate(stumps)]
    model = VotingClassifier(members, weights=weights).fit(made.rows, kinds)
    answers, shares = (
        run_graph(_graph({**made.layout, "model": model}, model_type), made.rows),
        predicted(model, made.rows),
    )
    ranked = np.sort(shares, axis=1)
    assert weights or (ranked[:, -1] - ranked[:, -2] < 1e-6).any(), "no tie: the test tests nothing"
    if model_type == "threat_detector":
        assert ((answers["score"] >= 0.5) == (model.predict(made.rows) == 1)).all()
        assert np.abs(answers["score"] - shares[:, 1]).max() < 1e-6
        return
    assert (answers["label"] == np.array(class_ids(CLASSES))[model.predict(made.rows)]).all()
    assert np.abs(answers["confidence"] - shares.max(axis=1)).max() < 1e-6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make the small fits of these tests slow."""
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_a_voter_that_was_dropped_leaves_its_weight(voting: str) -> None:
    made = honest("tree", "none")
    kinds = made.layout["model"].predict(made.rows)
    voters = [(str(depth), DecisionTreeClassifier(max_depth=depth, random_state=1)) for depth in (1, 2, 3)]
    model = VotingClassifier([voters[0], ("none", "drop"), *voters[1:]], voting=voting, weights=[1, 9, 2, 4])
    model.fit(made.rows, kinds)
    answers = run_graph(_graph({**made.layout, "model": model}), made.rows)
    assert (answers["label"] == np.array(class_ids(CLASSES))[model.predict(made.rows)]).all()


Bend = Callable[[Any], None]


def _node(column: str, node: int, value: float) -> Bend:
    return lambda model: model._predictors[0][0].nodes[column].__setitem__(node, value)


def _state(name: str, make: Callable[[Any], Any]) -> Bend:
    return lambda model: setattr(model, name, make(getattr(model, name)))


def _nodes(make: Callable[[Any], Any]) -> Bend:
    return lambda model: setattr(model._predictors[1][0], "nodes", make(model._predictors[1][0].nodes))


BENDS: dict[str, Bend] = {
    "cycle": _node("left", 1, 0),
    "itself": _node("right", 0, 0),
    "child_outside": _node("left", 0, 4_000_000_000),
    "two_parents": _node("right", 0, 1),
    "leaf_in_the_middle": _node("is_leaf", 0, 1),
    "inner_node_at_the_end": _node("is_leaf", -1, 0),
    "feature_outside": _node("feature_idx", 0, 42),
    "feature_negative": _node("feature_idx", 0, -1),
    "threshold_nan": _node("num_threshold", 0, float("nan")),
    "threshold_minus_infinity": _node("num_threshold", 0, -float("inf")),
    "value_nan": _node("value", -1, float("nan")),
    "value_infinite": _node("value", -1, float("inf")),
    "category": _node("is_categorical", 0, 1),
    "marked_categorical": _state("is_categorical_", lambda _: np.array([True] + [False] * 41)),
    "preprocessor": _state("_preprocessor", lambda _: DecisionTreeClassifier()),
    "nodes_short": _nodes(lambda nodes: nodes[:-1]),
    "nodes_none": _nodes(lambda nodes: nodes[:0]),
    "nodes_plain": _nodes(lambda nodes: np.zeros(len(nodes))),
    "nodes_table": _nodes(lambda nodes: nodes.reshape(1, -1)),
    "nodes_without_values": _nodes(lambda nodes: nodes[["left", "right", "is_leaf"]].copy()),
    "nodes_of_objects": _nodes(lambda nodes: nodes.astype(object)),
    "start_short": _state("_baseline_prediction", lambda start: start[:, :2]),
    "start_long": _state("_baseline_prediction", lambda start: np.tile(start, (1, 2))),
    "start_flat": _state("_baseline_prediction", lambda start: start[0]),
    "start_nan": _state("_baseline_prediction", lambda start: start * np.nan),
    "round_of_fewer": _state("_predictors", lambda rounds: [rounds[0], rounds[1][:2]]),
    "no_rounds": _state("_predictors", lambda rounds: []),
    "round_no_list": _state("_predictors", lambda rounds: [tuple(rounds[0])]),
    "tree_no_tree": _state("_predictors", lambda rounds: [["tree"] * len(rounds[0])]),
    "tree_of_another_kind": _state("_predictors", lambda rounds: [[DecisionTreeClassifier()] * len(rounds[0])]),
    "too_many_trees": _state("_predictors", lambda rounds: rounds * 500),
    "more_classes": _state("classes_", lambda classes: np.arange(9)),
}


@pytest.mark.parametrize("name", BENDS)
def test_bent_histogram_boostings_are_refused(name: str) -> None:
    layout = honest("histogram").layout
    BENDS[name](layout["model"])
    found = _examined(layout)
    assert not found.report.accepted
    assert len(found.report.reason) > 20


def test_categorical_splits_are_refused_with_advice() -> None:
    made = honest("histogram", "none")
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    rows = made.rows.copy()
    rows[:, 0] = np.floor(rows[:, 0] % 7)
    found = _examined({**made.layout, "model": model.fit(rows, made.layout["model"].predict(made.rows))})
    assert "train it on numbers only" in found.report.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"voting": "loud"}, 'voting="loud"'),
        ({"weights": [1]}, "differ in number"),
        ({"weights": [0, 0, 0, 0]}, "all zero"),
        ({"weights": [-1, 1, 1, 1]}, "no list of numbers"),
        ({"estimators_": []}, "1 to 64 models"),
        ({"estimators_": ["a"]}, "no model"),
    ],
)
def test_bent_votes_are_refused(changes: dict[str, Any], words: str) -> None:
    layout = honest("hard_voting").layout
    layout["model"].__dict__.update(changes)
    assert words in _examined(layout).report.reason


def test_a_vote_within_itself_is_refused() -> None:
    layout = honest("hard_voting").layout
    layout["model"].estimators_ = [layout["model"]] * 2
    assert not _examined(layout).report.accepted
