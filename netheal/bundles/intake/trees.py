"""Trees and forests from a file's records: arrays of nodes, each of them checked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.fields import Fields, raw_array, state_of
from netheal.bundles.intake.limits import MOST_TREES
from netheal.bundles.intake.size import within_size
from netheal.bundles.intake.values import Record
from netheal.bundles.probability import Classifier, Forest
from netheal.bundles.tree import Tree, regression_tree, require_features, tree_from_arrays
from netheal.errors import BundleError

_COLUMNS = {"left_child": "iu", "right_child": "iu", "feature": "iu", "threshold": "f"}
_HISTOGRAM_COLUMNS = {
    "value": "f",
    "feature_idx": "iu",
    "num_threshold": "f",
    "left": "iu",
    "right": "iu",
    "is_leaf": "iub",
    "is_categorical": "iub",
}
_LARGEST = float(np.finfo(np.float64).max)


def one_tree_of(fields: Fields, n_features: int) -> Classifier:
    """A DecisionTreeClassifier or ExtraTreeClassifier."""
    return Forest(tuple(within_size([tree_of(fields, n_features, tree_from_arrays)])))


def forest_of(fields: Fields, n_features: int) -> Classifier:
    """A RandomForestClassifier or ExtraTreesClassifier."""
    parts = fields.records("estimators_", MOST_TREES)
    trees = within_size(tree_of(state_of(part), n_features, tree_from_arrays) for part in parts)
    if any(tree.value.shape[1] != trees[0].value.shape[1] for tree in trees):
        raise BundleError("the forest's trees know different numbers of classes")
    return Forest(tuple(trees))


def tree_of(fields: Fields, n_features: int, make: Callable[..., Tree]) -> Tree:
    """The tree of a scikit-learn tree's fields, made and checked by `make`."""
    record = fields.record("tree_")
    if record.label != "Tree" or len(record.args) != 3 or record.args[0] != n_features or record.args[2] != 1:
        raise BundleError(f"a tree of the file is not one over {n_features} features with one output")
    state = state_of(record)
    nodes, count = _nodes(state, _COLUMNS), state.get("node_count")
    values = state.numbers("values", 3)
    if type(count) is not int or count != len(nodes) or values.shape[:2] != (count, 1):
        raise BundleError("the tree's arrays differ in length: the file is damaged")
    tree = make(nodes["left_child"], nodes["right_child"], nodes["feature"], nodes["threshold"], values)
    require_features(tree, n_features)
    return tree


def histogram_tree_of(record: Record, n_features: int) -> Tree:
    """The tree of a HistGradientBoosting's TreePredictor, whose rows are compared in double.

    A threshold of infinity, which parts missing values from all others, becomes the largest double: no row
    that reaches a model has missing values.
    """
    if record.label != "TreePredictor":
        raise BundleError(f"a tree of the boosting is a {record.label}")
    nodes = _nodes(state_of(record), _HISTOGRAM_COLUMNS)
    leaf = nodes["is_leaf"] != 0
    if (nodes["is_categorical"] != 0).any():
        raise BundleError("the boosting splits by categories, which cannot be served: train it on numbers only")
    thresholds = np.minimum(nodes["num_threshold"].astype(np.float64), _LARGEST)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    tree = regression_tree(left, right, nodes["feature_idx"], thresholds, nodes["value"][:, None])
    require_features(tree, n_features)
    return tree


def _nodes(state: Fields, wanted: dict[str, str]) -> NDArray[Any]:
    nodes = raw_array(state.need("nodes"), "the tree's nodes")
    columns: dict[str, Any] = dict(nodes.dtype.fields or {})
    if nodes.ndim != 1 or any(name not in columns or columns[name][0].kind not in wanted[name] for name in wanted):
        raise BundleError("the tree's nodes are not what scikit-learn 1.3 or later writes")
    return nodes
