"""The trees of a served graph, read back from its nodes: what `bundles.tree` and `bundles.probability` have written."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from netheal.bundles.scaling import Scaling
from netheal.receipts.served_graph import ServedGraph, UnknownGraph, attribute

Doubles = NDArray[np.float64]
Places = NDArray[np.int64]
_MOST_STEPS = 200_000
_LEAF = -1


@dataclass(frozen=True)
class Path:
    """The way of a row through one tree: the nodes it meets, the leaf last; `left` says which way it went at each."""

    nodes: Places
    left: NDArray[np.bool_]


@dataclass(frozen=True)
class Nodes:
    """The m nodes of all trees, numbered through; a row goes left where float32(scaled) <= threshold.

    `left` and `right` are -1 at a leaf; `roots` are the places of the trees' first nodes.
    """

    ARRAYS: ClassVar = ("roots", "left", "right", "feature", "threshold")

    roots: Places
    left: Places
    right: Places
    feature: Places
    threshold: NDArray[np.float32]
    scaling: Scaling

    def moved(self, by: int) -> "Nodes":
        """The same nodes behind `by` others."""
        left, right = (np.where(child == _LEAF, _LEAF, child + by) for child in (self.left, self.right))
        return replace(self, roots=self.roots + by, left=left, right=right)


@dataclass(frozen=True)
class Trees:
    """Trees, and what they answer.

    `confidence` [m] and `label` [m] are what a single tree answers at each leaf; `shares` [m, k] are those of the k
    classes at every node (inner ones, too) where the graph has them. `class_ids` are the places of the k classes among
    the manifest's, of a threat detector the place of "attack" among the two.
    """

    nodes: Nodes
    shares: Doubles | None
    class_ids: Places
    label: Places | None = None
    confidence: Doubles | None = None

    def paths(self, row: Doubles) -> list[Path]:
        """The way of one unscaled row, double [n], through each tree; raises UnknownGraph where they are too long."""
        with np.errstate(over="ignore"):
            values = self.nodes.scaling.apply(row[None, :]).astype(np.float32)[0]
        spent = 0
        found = []
        for root in self.nodes.roots.tolist():
            nodes, turns = [root], []
            while self.nodes.left[nodes[-1]] != _LEAF:
                node = nodes[-1]
                turns.append(bool(values[self.nodes.feature[node]] <= self.nodes.threshold[node]))
                nodes.append(int(self.nodes.left[node] if turns[-1] else self.nodes.right[node]))
                spent += 1
                if spent > _MOST_STEPS:
                    raise UnknownGraph(f"the paths take more than {_MOST_STEPS} steps")
            found.append(Path(np.array(nodes), np.array(turns, dtype=np.bool_)))
        return found


def read_trees(graph: ServedGraph, n_features: int, output: str) -> Trees:
    """The trees of a graph that answers by them alone; raises UnknownGraph for any other.

    `output` is `score` or `label`.
    """
    answer = graph.made_by(output, "Identity").input[0]
    if output == "score":
        chosen = graph.made_by(answer, "Gather")
        return _forest(graph, n_features, chosen.input[0], np.array([int(graph.constant(chosen.input[1]))]))
    gathered = graph.made_by(answer, "Gather")
    if graph.is_made_by(gathered.input[1], "Cast"):
        return _single(graph, n_features, gathered)
    place = graph.made_by(gathered.input[1], "Reshape").input[0]
    best = graph.made_by(place, "TopK")
    return _forest(graph, n_features, best.input[0], graph.constant(gathered.input[0]).astype(np.int64))


def _single(graph: ServedGraph, n_features: int, labels: NodeProto) -> Trees:
    """`tree_onnx`: the leaf's label and confidence in tables."""
    confidences = graph.made_by(graph.made_by("confidence", "Identity").input[0], "Gather")
    if confidences.input[1] != labels.input[1]:
        raise UnknownGraph("label and confidence are of two trees")
    label = graph.constant(labels.input[0]).astype(np.int64)
    confidence = graph.constant(confidences.input[0]).astype(np.float64)
    return _checked(Trees(_nodes(graph, n_features, labels.input[1]), None, np.unique(label), label, confidence))


def _forest(graph: ServedGraph, n_features: int, shares: str, class_ids: Places) -> Trees:
    """`Forest.add_to`: the mean of the shares at each tree's leaf."""
    if graph.is_made_by(shares, "Div"):
        total = graph.made_by(graph.made_by(shares, "Div").input[0], "Gather")
        table = graph.made_by(graph.made_by(total.input[0], "CumSum").input[0], "Gather")
        leaf = graph.made_by(table.input[1], "Add").input[0]
    else:
        table = graph.made_by(shares, "Gather")
        leaf = table.input[1]
    table_of_shares = graph.constant(table.input[0]).astype(np.float64)
    return _checked(Trees(_nodes(graph, n_features, leaf), table_of_shares, class_ids))


def _nodes(graph: ServedGraph, n_features: int, leaf: str) -> Nodes:
    """The nodes of the trees whose leaves' numbers a tensor has."""
    found = graph.made_by(leaf, "Cast").input[0]
    if graph.is_made_by(found, "Reshape"):
        found = graph.made_by(found, "Reshape").input[0]
    groups = list(graph.made_by(found, "Concat").input) if graph.is_made_by(found, "Concat") else [found]
    searches = [graph.made_by(group, "TreeEnsembleRegressor") for group in groups]
    scaled = graph.made_by(searches[0].input[0], "Cast").input[0]
    if any(search.input[0] != searches[0].input[0] for search in searches):
        raise UnknownGraph("its trees see different rows")
    nodes = [_search(search) for search in searches]
    starts = np.cumsum([0, *(len(part.left) for part in nodes)])
    moved = [part.moved(int(start)) for part, start in zip(nodes, starts, strict=False)]
    joined = {name: np.concatenate([getattr(part, name) for part in moved]) for name in Nodes.ARRAYS}
    if (joined["feature"] < 0).any() or (joined["feature"] >= n_features).any():
        raise UnknownGraph("a tree asks for a feature that is not there")
    return Nodes(**joined, scaling=graph.scaling(scaled, n_features))


def _search(node: NodeProto) -> Nodes:
    """The nodes of one search, numbered through from 0."""
    tree, number, feature, yes, no = (
        np.array(attribute(node, f"nodes_{name}"), dtype=np.int64)
        for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    )
    modes = attribute(node, "nodes_modes")
    leaf = np.array([mode == b"LEAF" for mode in modes], dtype=np.bool_)
    roots = np.flatnonzero(number == 0)
    if len(leaf) != len(number) or not len(roots) or roots[0] or (np.diff(tree) < 0).any():
        raise UnknownGraph("its nodes are numbered in another way")
    start = np.repeat(roots, np.diff([*roots, len(number)]))
    if (number != np.arange(len(number)) - start).any():
        raise UnknownGraph("its nodes are numbered in another way")
    if set(modes) - {b"LEAF", b"BRANCH_LEQ"}:
        raise UnknownGraph("its nodes compare in another way")
    if not np.array_equal(np.array(attribute(node, "target_weights")), number[leaf]):
        raise UnknownGraph("its leaves do not give their numbers")
    threshold = np.array(attribute(node, "nodes_values"), dtype=np.float32)
    left, right = (np.where(leaf, _LEAF, child + start) for child in (yes, no))
    return Nodes(roots, left, right, feature, threshold, Scaling())


def _checked(trees: Trees) -> Trees:
    """Children stand behind their parents, so that every way ends; tables have a row a node."""
    inner = np.flatnonzero(trees.nodes.left != _LEAF)
    children = np.concatenate([trees.nodes.left[inner], trees.nodes.right[inner]])
    if (children <= np.tile(inner, 2)).any() or (children >= len(trees.nodes.left)).any():
        raise UnknownGraph("a node of a tree comes before its parent")
    tables = [table for table in (trees.shares, trees.label, trees.confidence) if table is not None]
    if any(len(table) != len(trees.nodes.left) for table in tables):
        raise UnknownGraph("its tables are of other trees")
    return trees
