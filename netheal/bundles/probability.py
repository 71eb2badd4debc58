"""Classifiers given as checked arrays: each as nodes of a graph, and as plain numpy to prove the graph by.

All work in double on scaled rows [N, n] and give probabilities [N, k]. Trees, as in scikit-learn, see the
rows as float32, or over histograms as they are; a leaf's values are looked up in double, and trees are added
in scikit-learn's order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.scaling import Scaling
from netheal.bundles.tree import Tree, leaf_of, leaves_in, leaves_in_all

Doubles = NDArray[np.float64]
_DOUBLE_BYTES = 8


class Classifier(Protocol):
    """A model that gives each class a probability."""

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""

    @property
    def size(self) -> int:
        """Numbers in its tables."""

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        """Append the model to a graph; returns the probabilities' name, double [N, k]."""

    def probabilities(self, rows: Doubles) -> Doubles:
        """The same by numpy."""


def score_onnx(model: Classifier, n_features: int, scaling: Scaling, attack: int) -> bytes:
    """The served graph of a threat detector: `score` is the probability of class `attack`."""
    graph = GraphBuilder(n_features)
    shares = model.add_to(graph, scaling.add_to(graph))
    score = graph.add("Gather", shares, graph.constant(np.array(attack, dtype=np.int64)), axis=1)
    return graph.serialise({"score": (score, TensorProto.DOUBLE)})


def label_onnx(model: Classifier, n_features: int, scaling: Scaling, ids: Sequence[int]) -> bytes:
    """The served graph of an attack classifier; `ids` are the product's ids of the model's classes."""
    graph = GraphBuilder(n_features)
    shares = model.add_to(graph, scaling.add_to(graph))
    best, place = graph.add_many("TopK", (shares, graph.constant(np.array([1], dtype=np.int64))), 2, axis=1)
    table = graph.constant(np.asarray(ids, dtype=np.int64))
    label = graph.add("Gather", table, graph.flat(place))
    return graph.serialise({"label": (label, TensorProto.INT64), "confidence": (graph.flat(best), TensorProto.DOUBLE)})


@dataclass(frozen=True)
class Forest:
    """The mean of the trees' class fractions; one tree is a forest, too."""

    trees: tuple[Tree, ...]

    @property
    def n_classes(self) -> int:
        return int(self.trees[0].value.shape[1])

    @property
    def size(self) -> int:
        return sum(tree.size for tree in self.trees)

    @cached_property
    def _tables(self) -> list[Doubles]:
        return [_fractions(tree.value) for tree in self.trees]

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        floats = graph.cast(rows, TensorProto.FLOAT)
        if len(self.trees) == 1:
            return graph.add("Gather", graph.constant(self._tables[0]), leaves_in(graph, floats, self.trees[0]))
        table = graph.constant(np.concatenate(self._tables))
        found = graph.add("Gather", table, leaves_in_all(graph, floats, self.trees))
        return graph.add(
            "Div",
            _summed(graph, found, len(self.trees), self.n_classes),
            graph.constant(np.array(float(len(self.trees)))),
        )

    def probabilities(self, rows: Doubles) -> Doubles:
        floats = rows.astype(np.float32)
        total = np.zeros((len(rows), self.n_classes))
        for tree, table in zip(self.trees, self._tables, strict=True):
            total += table[leaf_of(tree, floats)]
        return total / len(self.trees)


@dataclass(frozen=True)
class Boosting:
    """Raw values `start` [k or 1], to which every round's trees, one an output, add `rate` times theirs.

    `wide` trees, those over histograms, compare rows in double.
    """

    rounds: tuple[tuple[Tree, ...], ...]
    start: Doubles
    rate: float
    steepness: float = 1.0
    wide: bool = False

    @property
    def n_classes(self) -> int:
        return max(2, len(self.start))

    @property
    def size(self) -> int:
        return sum(tree.size for trees in self.rounds for tree in trees)

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        seen = rows if self.wide else graph.cast(rows, TensorProto.FLOAT)
        leaves = leaves_in_all(graph, seen, [tree for trees in self.rounds for tree in trees], self.wide)
        found = graph.add("Gather", graph.constant(self._table()), leaves)
        shape = graph.constant(np.array([-1, len(self.rounds), len(self.start)], dtype=np.int64))
        raw = _summed(graph, graph.add("Reshape", found, shape), len(self.rounds), len(self.start))
        if len(self.start) > 1:
            return graph.add("Softmax", raw, axis=1)
        return _two_classes(graph, times(graph, raw, self.steepness))

    def _table(self) -> Doubles:
        """What each node of all trees adds; those of the first round add the start, too."""
        parts = []
        for place, trees in enumerate(self.rounds):
            for start, tree in zip(self.start, trees, strict=True):
                parts.append(self.rate * tree.value[:, 0] + (0.0 if place else start))
        return np.concatenate(parts)

    def probabilities(self, rows: Doubles) -> Doubles:
        seen = rows if self.wide else rows.astype(np.float32)
        raw = np.repeat(self.start[None, :], len(rows), axis=0)
        for trees in self.rounds:
            for output, tree in enumerate(trees):
                raw[:, output] += self.rate * tree.value[leaf_of(tree, seen), 0]
        return softmax(raw) if raw.shape[1] > 1 else pair(sigmoid(self.steepness * raw))


@dataclass(frozen=True)
class Layered:
    """Dense layers in double with one activation between them: a perceptron, or none hidden for a regression."""

    kernels: tuple[Doubles, ...]
    biases: tuple[Doubles, ...]
    activation: Literal["identity", "logistic", "tanh", "relu"]
    output: Literal["sigmoid", "softmax", "one_vs_rest"]

    @property
    def n_classes(self) -> int:
        return max(2, len(self.biases[-1]))

    @property
    def size(self) -> int:
        return sum(array.size for array in (*self.kernels, *self.biases))

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        ops = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
        value = rows
        for place, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            graph.spend(3 * _DOUBLE_BYTES * len(bias))
            if place and self.activation in ops:
                value = graph.add(ops[self.activation], value)
            value = graph.add("Add", graph.add("MatMul", value, graph.constant(kernel)), graph.constant(bias))
        if self.output == "softmax":
            return graph.add("Softmax", value, axis=1)
        if self.output == "sigmoid":
            return _two_classes(graph, value)
        shares = graph.add("Sigmoid", value)
        axis = graph.constant(np.array([1], dtype=np.int64))
        return graph.add("Div", shares, graph.add("ReduceSum", shares, axis, keepdims=1))

    def probabilities(self, rows: Doubles) -> Doubles:
        value = rows
        for place, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            value = (_BETWEEN[self.activation](value) if place else value) @ kernel + bias
        if self.output == "softmax":
            return softmax(value)
        shares = sigmoid(value)
        return pair(shares) if self.output == "sigmoid" else shares / shares.sum(axis=1, keepdims=True)


def softmax(raw: Doubles) -> Doubles:
    """Rows as shares, [N, k]."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(raw: Doubles) -> Doubles:
    """The logistic function, without overflow."""
    small = np.exp(-np.abs(raw))
    return np.where(raw >= 0, 1 / (1 + small), small / (1 + small))


def pair(share: Doubles) -> Doubles:
    """[N, 1] of the second class as [N, 2]."""
    return np.concatenate([1 - share, share], axis=1)


def _summed(graph: GraphBuilder, parts: str, count: int, width: int) -> str:
    """[N, count, k] added up one after the other, as a loop does, [N, k]: CumSum alone promises the order."""
    graph.spend(2 * _DOUBLE_BYTES * count * width)
    running = graph.add("CumSum", parts, graph.constant(np.array(1, dtype=np.int64)))
    return graph.add("Gather", running, graph.constant(np.array(count - 1, dtype=np.int64)), axis=1)


def _fractions(value: Doubles) -> Doubles:
    total = value.sum(axis=1, keepdims=True)
    return value if np.allclose(total, 1.0, rtol=0, atol=1e-9) else value / total


def times(graph: GraphBuilder, value: str, factor: float) -> str:
    """Append a multiplication, where there is any."""
    return value if factor == 1 else graph.add("Mul", value, graph.constant(np.array(factor)))


def _two_classes(graph: GraphBuilder, raw: str) -> str:
    share = graph.add("Sigmoid", raw)
    return graph.add("Concat", graph.add("Sub", graph.constant(np.array(1.0)), share), share, axis=1)


_BETWEEN: dict[str, Callable[[Doubles], Doubles]] = {
    "identity": lambda value: value,
    "logistic": sigmoid,
    "relu": lambda value: np.maximum(value, 0),
    "tanh": np.tanh,
}
