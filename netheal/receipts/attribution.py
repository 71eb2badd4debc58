"""What each feature adds to an answer: parts that add up to the answer's difference from a baseline, or are refused.

- `path_contributions`: along a forest's paths. At each node the share of a class changes, and the change is the part of
  the feature that the node compares (A. Saabas, "Interpreting random forests", 2014). Baseline: the mean at the roots.
- `order_contributions`: features of a baseline row are replaced by the row's, one after the other, in several random
  orders; what each replacement changes, averaged, is the feature's part (E. Štrumbelj, I. Kononenko, "Explaining
  prediction models and individual predictions with feature contributions", 2014; sampled Shapley values).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netheal.receipts.served_trees import Path, Trees

Doubles = NDArray[np.float64]
TOLERANCE = 1e-9
ORDERS = 32
_CALL_ROWS = 1024
_PATIENCE_S = 5.0
_SEED = 20240229


@dataclass(frozen=True)
class Attribution:
    """`parts` double [n], one a feature. `baseline_row` [n] and `orders` are there where features were replaced."""

    baseline: float
    answer: float
    parts: Doubles
    baseline_row: Doubles | None = None
    orders: int | None = None

    @property
    def error(self) -> float:
        """By how much baseline and parts miss the answer."""
        return float(abs(self.baseline + self.parts.sum() - self.answer))

    @property
    def complete(self) -> bool:
        """Whether the parts add up."""
        return self.error <= TOLERANCE


def path_contributions(
    trees: Trees, shares: Doubles, paths: Sequence[Path], place: int, answer: float, n_features: int
) -> Attribution:
    """Of the share of class `place`, as the graph `answer`s it; `shares` [m, k] are those at the nodes of `trees`."""
    parts = np.zeros(n_features)
    for path in paths:
        changes = np.diff(shares[path.nodes, place])
        np.add.at(parts, trees.nodes.feature[path.nodes[:-1]], changes)
    return Attribution(float(shares[trees.nodes.roots, place].mean()), answer, parts / len(paths))


def order_contributions(score: Callable[[Doubles], Doubles], row: Doubles, baseline: Doubles) -> Attribution:
    """Of a score, double [N], of rows [N, n]: of a row [n] against a baseline row [n].

    Each order is followed by its reverse. Fewer than `ORDERS` are taken where the model is slow.
    """
    differing = np.flatnonzero(row != baseline)
    random, limit = np.random.default_rng(_SEED), time.monotonic() + _PATIENCE_S
    total, done = np.zeros(len(row)), 0
    first, last = score(np.array([baseline, row]))
    at_once = max(1, _CALL_ROWS // (2 * (len(differing) + 1)))
    while done < ORDERS and (not done or time.monotonic() < limit):
        pairs = [random.permutation(differing) for _ in range(min(at_once, (ORDERS - done) // 2))]
        orders = [order for pair in pairs for order in (pair, pair[::-1])]
        rows = np.concatenate([_replaced(row, baseline, order) for order in orders])
        scores = score(rows).reshape(len(orders), len(differing) + 1)
        for order, its in zip(orders, scores, strict=True):
            total[order] += np.diff(its)
        done += len(orders)
    return Attribution(float(first), float(last), total / done, baseline, done)


def _replaced(row: Doubles, baseline: Doubles, order: NDArray[np.int64]) -> Doubles:
    """The baseline, then with one feature after the other replaced, [len(order) + 1, n]."""
    rows = np.repeat(baseline[None, :], len(order) + 1, axis=0)
    for at, feature in enumerate(order):
        rows[at + 1 :, feature] = row[feature]
    return rows
