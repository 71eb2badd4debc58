"""A decision tree classifier, given as the arrays of scikit-learn's `tree_`, as an ONNX graph.

The graph finds the leaf and looks its class and probability up in tables, instead of summing votes in
float32: so the class is scikit-learn's on every row, ties included, and the confidence is its double.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, numpy_helper

from netheal.bundles.graph import ML_DOMAIN, GraphBuilder
from netheal.bundles.scaling import Scaling
from netheal.errors import BundleError
from netheal.wording import shape_text

_LEAF = -1
MOST_LEVELS = 2_000
"""Reading a graph recurses into its trees: one of some hundred thousand levels ends the process that loads it."""
_MOST_NODES = 2**24  # leaf numbers travel as float32
_NODES_AT_A_TIME = 2**17
_LEAF_BYTES = 24
"""Of each tree and row: the leaf's number as float32, twice, and as int64, twice."""


@dataclass(frozen=True)
class Tree:
    """One tree of m nodes over n features and k classes, children after their parents, the root first.

    `left` and `right` are -1 at a leaf; a row goes left where float32(x[feature]) <= threshold.
    `value`, double [m, k], holds counts or fractions of the classes in each node.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Numbers in its arrays."""
        return len(self.left) * (4 + int(self.value.shape[1]))


def tree_from_arrays(
    left: ArrayLike, right: ArrayLike, feature: ArrayLike, threshold: ArrayLike, value: ArrayLike
) -> Tree:
    """A checked tree; `value` may be [m, k] or scikit-learn's [m, 1, k]. Raises BundleError."""
    tree = regression_tree(left, right, feature, threshold, value)
    if (tree.value < 0).any() or (tree.value.sum(axis=1) <= 0).any():
        raise BundleError("the tree's class values are no counts or fractions: train it again")
    return tree


def regression_tree(
    left: ArrayLike, right: ArrayLike, feature: ArrayLike, threshold: ArrayLike, value: ArrayLike
) -> Tree:
    """A checked tree whose values may be any finite numbers. Raises BundleError."""
    values = np.asarray(value, dtype=np.float64)
    if values.ndim == 3 and values.shape[1] == 1:
        values = values[:, 0, :]
    tree = Tree(
        np.asarray(left, dtype=np.int64),
        np.asarray(right, dtype=np.int64),
        np.asarray(feature, dtype=np.int64),
        np.asarray(threshold, dtype=np.float64),
        values,
    )
    _check(tree)
    return tree


def tree_onnx(tree: Tree, n_features: int, scaling: Scaling, class_ids: Sequence[int]) -> bytes:
    """The served graph: `label` int64 [N] and `confidence` double [N].

    `class_ids` gives for each of the tree's k classes its index in the manifest's classes.
    """
    if len(class_ids) != tree.value.shape[1]:
        raise BundleError(f"the tree has {tree.value.shape[1]} classes and {len(class_ids)} have names")
    require_features(tree, n_features)
    graph = GraphBuilder(n_features)
    scaled = graph.cast(scaling.add_to(graph), TensorProto.FLOAT)
    leaf = leaves_in(graph, scaled, tree)
    best = tree.value.argmax(axis=1)
    share = tree.value / tree.value.sum(axis=1, keepdims=True)
    labels = graph.constant(np.asarray(class_ids, dtype=np.int64)[best])
    confidences = graph.constant(share[np.arange(len(best)), best])
    return graph.serialise(
        {
            "label": (graph.add("Gather", labels, leaf), TensorProto.INT64),
            "confidence": (graph.add("Gather", confidences, leaf), TensorProto.DOUBLE),
        }
    )


def float32_at_most(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is no more than each threshold.

    For a float32 x, x <= t in double (scikit-learn) exactly where x <= float32_at_most(t) (ONNX); rounding
    to nearest would send a value that lies just above its threshold to the wrong side.
    """
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    lower = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > threshold, lower, nearest).astype(np.float32)


def leaf_of(tree: Tree, rows: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.int64]:
    """The node at which each scaled row ends, by numpy, [N]; rows are compared as they are given."""
    place = np.zeros(len(rows), dtype=np.int64)
    every = np.arange(len(rows))
    while True:
        inner = tree.left[place] != _LEAF
        if not inner.any():
            return place
        goes_left = rows[every, np.where(inner, tree.feature[place], 0)].astype(np.float64) <= tree.threshold[place]
        place = np.where(inner, np.where(goes_left, tree.left[place], tree.right[place]), place)


def leaves_in(graph: GraphBuilder, rows: str, tree: Tree) -> str:
    """Append the search for each row's leaf, int64 [N]; `rows` are scaled, float32."""
    found = graph.add("TreeEnsembleRegressor", rows, domain=ML_DOMAIN, **_attributes([tree], wide=False))
    return graph.cast(graph.flat(found), TensorProto.INT64)


def leaves_in_all(graph: GraphBuilder, rows: str, trees: Sequence[Tree], wide: bool = False) -> str:
    """Append the search for each row's leaf in each tree, int64 [N, trees].

    Nodes are numbered through all trees, one tree after the other. `rows` are scaled, float32, or double where
    `wide`. Trees are searched many at a time: a graph of thousands of nodes takes longer to load than to run.
    """
    counts = np.array([len(tree.left) for tree in trees])
    graph.spend(_LEAF_BYTES * len(trees))
    group = np.cumsum(counts) // _NODES_AT_A_TIME
    found = []
    for number in np.unique(group):
        some = [tree for tree, its in zip(trees, group, strict=True) if its == number]
        found.append(graph.add("TreeEnsembleRegressor", rows, domain=ML_DOMAIN, **_attributes(some, wide)))
    local = graph.cast(graph.add("Concat", *found, axis=1) if len(found) > 1 else found[0], TensorProto.INT64)
    return graph.add("Add", local, graph.constant(np.cumsum(counts) - counts))


def require_features(tree: Tree, n_features: int) -> None:
    """Raises BundleError where the tree asks for a feature that is not there."""
    inner = tree.left != _LEAF
    if inner.any() and not 0 <= tree.feature[inner].min() <= tree.feature[inner].max() < n_features:
        raise BundleError(f"the tree asks for a feature outside its {n_features}: it is another bundle's")


def _attributes(trees: Sequence[Tree], wide: bool) -> dict[str, Any]:
    """Each tree is a target of its own, to which it gives its leaf's number."""
    counts = [len(tree.left) for tree in trees]
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees]) for name in ("left", "right", "feature", "threshold")
    )
    owner = np.repeat(np.arange(len(trees)), counts)
    number = np.concatenate([np.arange(count) for count in counts])
    leaf = left == _LEAF
    return {
        "n_targets": len(trees),
        "nodes_treeids": owner.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_modes": [b"LEAF" if end else b"BRANCH_LEQ" for end in leaf],
        "nodes_featureids": np.where(leaf, 0, feature).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, right).tolist(),
        "target_treeids": owner[leaf].tolist(),
        "target_nodeids": number[leaf].tolist(),
        "target_ids": owner[leaf].tolist(),
        **_numbers(np.where(leaf, 0.0, threshold), number[leaf].astype(np.float64), wide),
    }


def _numbers(thresholds: NDArray[np.float64], leaves: NDArray[np.float64], wide: bool) -> dict[str, Any]:
    if not wide:
        return {"nodes_values": float32_at_most(thresholds).tolist(), "target_weights": leaves.tolist()}
    return {
        "nodes_values_as_tensor": numpy_helper.from_array(thresholds, "thresholds"),
        "target_weights_as_tensor": numpy_helper.from_array(leaves, "leaves"),
    }


def _check(tree: Tree) -> None:
    count = len(tree.left)
    arrays = (tree.left, tree.right, tree.feature, tree.threshold)
    if any(array.shape != (count,) for array in arrays) or tree.value.shape[:1] != (count,):
        raise BundleError("the tree's arrays differ in length: the file is damaged")
    if not 0 < count < _MOST_NODES or tree.value.ndim != 2 or not tree.value.shape[1]:
        raise BundleError(
            f"a tree of {count} nodes and values of shape {shape_text(tree.value.shape)} cannot be served"
        )
    inner = tree.left != _LEAF
    if (inner != (tree.right != _LEAF)).any():
        raise BundleError("a node of the tree has one child: the file is damaged")
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, count)):
        raise BundleError("the tree's nodes are not each the child of one other: the file is damaged")
    if (children <= np.tile(np.flatnonzero(inner), 2)).any():
        raise BundleError("a node of the tree comes before its parent: the file is damaged")
    if not _depth_within(tree, MOST_LEVELS):
        raise BundleError(f"a tree has more than {MOST_LEVELS:,} levels: train it again with a smaller max_depth")
    if not np.isfinite(tree.threshold[inner]).all():
        raise BundleError("a threshold of the tree is not finite: train it again")
    if not np.isfinite(tree.value).all():
        raise BundleError("a value of the tree is not finite: train it again")


def _depth_within(tree: Tree, most: int) -> bool:
    """Whether no leaf lies deeper than `most` levels below the root."""
    level = np.zeros(1, np.int64)
    for _ in range(most + 1):
        inner = level[tree.left[level] != _LEAF]
        if not len(inner):
            return True
        level = np.concatenate([tree.left[inner], tree.right[inner]])
    return False
