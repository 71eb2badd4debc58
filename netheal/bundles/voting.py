"""Several classifiers that vote, by their probabilities or by their first choices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.probability import Classifier, Doubles, Forest, times
from netheal.contracts.verdict import ConfidenceKind

_TIE = 1e-9
_LATER = 2.0**-30
"""How much less, as a share of itself, each later class counts: so the first of equal ones wins everywhere."""


@dataclass(frozen=True)
class Voting:
    """The weighted mean of several models' probabilities."""

    members: tuple[Classifier, ...]
    weights: tuple[float, ...]

    @property
    def n_classes(self) -> int:
        return self.members[0].n_classes

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        parts = [
            times(graph, member.add_to(graph, rows), weight)
            for member, weight in zip(self.members, self.weights, strict=True)
        ]
        return _mean(graph, parts, self.weights)

    def probabilities(self, rows: Doubles) -> Doubles:
        parts = [member.probabilities(rows) for member in self.members]
        return np.asarray(np.average(parts, axis=0, weights=self.weights))


@dataclass(frozen=True)
class HardVoting:
    """The share of the votes, one (or its weight) a model, that each class gets.

    scikit-learn gives a tie to the first class. A threshold of 0.5 on the share would give it to the second of
    two, so a later class counts a billionth less.
    """

    members: tuple[Classifier, ...]
    weights: tuple[float, ...]

    @property
    def n_classes(self) -> int:
        return self.members[0].n_classes

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)

    @property
    def _counted(self) -> Doubles:
        return np.asarray(1 - _LATER * np.arange(self.n_classes), dtype=np.float64)

    def add_to(self, graph: GraphBuilder, rows: str) -> str:
        parts = []
        for member, weight in zip(self.members, self.weights, strict=True):
            choice = graph.add("ArgMax", member.add_to(graph, rows), axis=1, keepdims=0)
            parts.append(graph.add("Gather", graph.constant(weight * np.eye(self.n_classes)), choice))
        return graph.add("Mul", _mean(graph, parts, self.weights), graph.constant(self._counted))

    def probabilities(self, rows: Doubles) -> Doubles:
        votes = np.zeros((len(rows), self.n_classes))
        for member, weight in zip(self.members, self.weights, strict=True):
            votes += weight * np.eye(self.n_classes)[member.probabilities(rows).argmax(axis=1)]
        return votes / sum(self.weights) * self._counted


def confidence_kind(model: Classifier) -> ConfidenceKind:
    """What the classifier's shares are: votes are those of trees and of first choices, also where they are averaged."""
    if isinstance(model, Voting):
        kinds = {confidence_kind(member) for member in model.members}
        return "vote_share" if kinds == {"vote_share"} else "probability"
    return "vote_share" if isinstance(model, (Forest, HardVoting)) else "probability"


def certain(model: Classifier, rows: Doubles) -> NDArray[np.bool_]:
    """Rows whose first class does not hang on the last bit of a sum that is taken in another order, [N]."""
    if isinstance(model, HardVoting):
        return np.asarray(np.all([certain(member, rows) for member in model.members], axis=0))
    if isinstance(model, Forest):
        return np.ones(len(rows), dtype=np.bool_)
    ranked = np.sort(model.probabilities(rows), axis=1)
    return np.asarray(ranked[:, -1] - (ranked[:, -2] if model.n_classes > 1 else 0) > _TIE)


def _mean(graph: GraphBuilder, parts: list[str], weights: tuple[float, ...]) -> str:
    total = parts[0]
    for part in parts[1:]:
        total = graph.add("Add", total, part)
    return graph.add("Div", total, graph.constant(np.array(sum(weights))))
