from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.parity import run_graph
from netheal.bundles.scaling import Scaling, standard
from netheal.bundles.tree import Tree, float32_at_most, tree_from_arrays, tree_onnx
from netheal.errors import BundleError


def data(rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    values = np.round(rng.normal(size=(rows, 4)) * [1, 50, 1e4, 0.1], 2)
    return values, (values[:, 0] + values[:, 1] / 50 > 0) + 2 * (values[:, 2] > 3000)


def arrays(model: DecisionTreeClassifier) -> Tree:
    inner = model.tree_
    return tree_from_arrays(inner.children_left, inner.children_right, inner.feature, inner.threshold, inner.value)


def test_label_and_confidence_are_those_of_scikit_learn_on_every_scaled_row() -> None:
    values, classes = data()
    scaler = StandardScaler().fit(values)
    model = DecisionTreeClassifier(max_depth=8, random_state=0).fit(scaler.transform(values), classes)
    onnx = tree_onnx(arrays(model), 4, standard(scaler.mean_, scaler.scale_), [0, 1, 2, 3])
    answers = run_graph(onnx, values)
    assert answers["label"].dtype == np.int64 and answers["confidence"].dtype == np.float64
    assert np.array_equal(answers["label"], model.predict(scaler.transform(values)))
    expected = model.predict_proba(scaler.transform(values)).max(axis=1)
    assert np.abs(answers["confidence"] - expected).max() < 1e-12


def test_rows_at_and_beside_every_threshold_fall_to_scikit_learns_side() -> None:
    values, classes = data()
    model = DecisionTreeClassifier(random_state=0).fit(values, classes)
    tree = arrays(model)
    rows: list[NDArray[np.float64]] = []
    for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
        if feature < 0:
            continue
        near = np.float32(threshold)
        for value in (threshold, near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, -near)):
            row = values[len(rows) % len(values)].copy()
            row[feature] = value
            rows.append(row)
    answers = run_graph(tree_onnx(tree, 4, Scaling(), [0, 1, 2, 3]), np.array(rows))
    assert np.array_equal(answers["label"], model.predict(np.array(rows)))


def test_a_threshold_that_float32_rounds_up_does_not_let_the_next_value_through() -> None:
    threshold = np.nextafter(np.float64(np.float32(0.1)), 0.0)
    assert np.float32(threshold) > threshold
    tree = tree_from_arrays([1, -1, -1], [2, -1, -1], [0, -2, -2], [threshold, -2, -2], [[1, 1], [3, 1], [0, 2]])
    rows = np.array([[np.float32(0.1)], [np.nextafter(np.float32(0.1), np.float32(0))]], dtype=np.float64)
    answers = run_graph(tree_onnx(tree, 1, Scaling(), [0, 1]), rows)
    assert answers["label"].tolist() == [1, 0]
    assert answers["confidence"].tolist() == [1.0, 0.75]


def test_float32_at_most_is_the_largest_float32_not_above() -> None:
    numbers = np.random.default_rng(1).normal(size=5000) * 10.0 ** np.arange(-30, 30).repeat(84)[:5000]
    lower = float32_at_most(numbers)
    assert (lower.astype(np.float64) <= numbers).all()
    assert (np.nextafter(lower, np.float32(np.inf)).astype(np.float64) > numbers).all()


def test_a_tie_goes_to_the_first_class_and_classes_take_their_given_ids() -> None:
    tree = tree_from_arrays([1, -1, -1], [2, -1, -1], [0, -2, -2], [0.5, 0, 0], [[2, 2], [1, 1], [0, 1]])
    answers = run_graph(tree_onnx(tree, 1, Scaling(), [9, 4]), np.array([[0.0], [1.0]]))
    assert answers["label"].tolist() == [9, 4]


def test_a_tree_of_one_leaf_answers() -> None:
    tree = tree_from_arrays([-1], [-1], [-2], [-2.0], [[1.0, 3.0]])
    answers = run_graph(tree_onnx(tree, 2, Scaling(), [0, 1]), np.zeros((3, 2)))
    assert answers["label"].tolist() == [1, 1, 1] and answers["confidence"].tolist() == [0.75] * 3


def test_the_same_tree_gives_the_same_bytes() -> None:
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(*data())
    assert tree_onnx(arrays(model), 4, Scaling(), range(4)) == tree_onnx(arrays(model), 4, Scaling(), range(4))


def test_the_answer_to_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    values, classes = data(200)
    onnx = tree_onnx(arrays(DecisionTreeClassifier(random_state=0).fit(values, classes)), 4, Scaling(), range(4))
    together = run_graph(onnx, values)["label"]
    assert [int(run_graph(onnx, values[i : i + 1])["label"][0]) for i in range(50)] == together[:50].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left": [0, -1, -1]}, "child of one other"),
        ({"left": [5, -1, -1]}, "child of one other"),
        ({"right": [1, -1, -1]}, "child of one other"),
        ({"right": [-1, -1, -1]}, "one child"),
        ({"threshold": [np.nan, 0, 0]}, "not finite"),
        ({"threshold": [0.5, 0]}, "differ in length"),
        ({"value": [[1, 1], [-1, 2], [0, 1]]}, "counts"),
        ({"value": [[1, 1], [0, 0], [0, 1]]}, "counts"),
    ],
)
def test_a_damaged_tree_is_refused(change: dict[str, list[float]], message: str) -> None:
    whole: dict[str, Any] = {
        "left": [1, -1, -1],
        "right": [2, -1, -1],
        "feature": [0, -2, -2],
        "threshold": [0.5, -2, -2],
        "value": [[1, 1], [1, 0], [0, 1]],
    }
    with pytest.raises(BundleError, match=message):
        tree_from_arrays(**(whole | change))


def test_children_before_their_parent_are_refused() -> None:
    value = [[1, 1]] * 5
    with pytest.raises(BundleError, match="before its parent"):
        tree_from_arrays([3, -1, -1, 1, -1], [4, -1, -1, 2, -1], [0, -2, -2, 0, -2], [0, 0, 0, 0, 0], value)


def test_a_feature_outside_the_model_is_refused() -> None:
    tree = tree_from_arrays([1, -1, -1], [2, -1, -1], [3, -2, -2], [0.5, 0, 0], [[1, 1], [1, 0], [0, 1]])
    with pytest.raises(BundleError, match="outside its 3"):
        tree_onnx(tree, 3, Scaling(), [0, 1])
