"""A way through a tree as conditions on a row's own values: thresholds taken back through the scaling, exactly.

A node compares float32(scaled value) with its threshold. Scaling and rounding are monotone, so the values that go one
way are those up to a boundary, which is a double found by bisection: the condition holds for exactly the same values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.scaling import Scaling
from netheal.contracts import Feature
from netheal.receipts.served_trees import Nodes, Path

Doubles = NDArray[np.float64]
Operator = Literal["<=", ">", ">=", "<", "any"]
_SIGN = np.int64(2**63 - 1)
_LARGEST = np.array([np.finfo(np.float64).max])
_SHOWN_DIGITS = 6


@dataclass(frozen=True)
class Condition:
    """What a row's value is and had to be, in its own unit; `threshold` is 0 where the operator is `any`."""

    feature: Feature
    value: float
    operator: Operator
    threshold: float

    def holds(self, value: float) -> bool:
        """Whether another value would meet it."""
        return _compares(value, self.operator, self.threshold)

    def text(self, codes: Mapping[str, float]) -> str:
        """For a person; `codes` are those of the feature, where it is a category."""
        name = self.feature.name.strip()
        if self.operator == "any":
            return f"{name} may be anything"
        if codes:
            return f"{name} is {_categories(self, codes)}"
        sign = {"<=": "≤", ">=": "≥"}.get(self.operator, self.operator)
        unit = f" {self.feature.unit}" if self.feature.unit else ""
        return f"{name} {sign} {self._shown_threshold()}{unit}"

    def _shown_threshold(self) -> str:
        """The threshold in a few digits, where the row's value still is on the same side."""
        short = f"{self.threshold:.{_SHOWN_DIGITS}g}"
        return short if _compares(self.value, self.operator, float(short)) else repr(self.threshold)


def conditions(path: Path, nodes: Nodes, features: Sequence[Feature], row: Doubles) -> list[Condition]:
    """The conditions along a path, in its order, with the values of an unscaled row, double [n]."""
    inner = path.nodes[:-1]
    places, thresholds = nodes.feature[inner], nodes.threshold[inner]
    operators, own = own_thresholds(nodes.scaling, places, thresholds, path.left)
    each = zip(places.tolist(), operators, own.tolist(), strict=True)
    return [Condition(features[at], float(row[at]), operator, limit) for at, operator, limit in each]


def merged(found: Sequence[Condition]) -> list[Condition]:
    """The same in fewer: of each feature the tightest limit at either end, features in the order of their first."""
    tightest: dict[tuple[str, bool], Condition] = {}
    for condition in found:
        if condition.operator == "any":
            continue
        upper = condition.operator in ("<=", "<")
        key = condition.feature.name, upper
        known = tightest.get(key)
        if known is None or (condition.threshold < known.threshold) == upper:
            tightest[key] = condition
    order = {name: at for at, name in enumerate(dict.fromkeys(name for name, _ in tightest))}
    return sorted(tightest.values(), key=lambda condition: order[condition.feature.name])


def own_thresholds(
    scaling: Scaling, places: NDArray[np.int64], thresholds: NDArray[np.float32], left: NDArray[np.bool_]
) -> tuple[list[Operator], Doubles]:
    """Of c comparisons of the features at `places` with scaled thresholds: operators and limits of unscaled values.

    `left` [c]: whether the row's value was no more than the threshold.
    """
    steps = tuple((operation, operand[places]) for operation, operand in scaling.steps)
    one = Scaling(steps, scaling.clip)

    def goes_left(values: Doubles) -> NDArray[np.bool_]:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(one.apply(values[None, :])[0].astype(np.float32) <= thresholds, dtype=np.bool_)

    size = np.full(len(places), _LARGEST[0])
    smallest_left, largest_left = goes_left(-size), goes_left(size)
    low, high = np.full(len(places), _keys(-_LARGEST)[0]), np.full(len(places), _keys(_LARGEST)[0])
    for _ in range(64):
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        same = goes_left(_values(middle)) == smallest_left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    below, above = _values(low), _values(high)
    operators: list[Operator] = []
    limits = np.zeros(len(places))
    for at, (first, last, went_left) in enumerate(zip(smallest_left, largest_left, left, strict=True)):
        if first == last:
            operators.append("any")
        elif first == went_left:  # the way of small values
            operators.append("<=" if went_left else "<")
            limits[at] = below[at] if went_left else above[at]
        else:
            operators.append(">=" if went_left else ">")
            limits[at] = above[at] if went_left else below[at]
    return operators, limits


def _keys(values: Doubles) -> NDArray[np.int64]:
    """Integers in the order of the doubles."""
    bits = values.view(np.int64)
    return np.where(bits < 0, -(bits & _SIGN), bits)


def _values(keys: NDArray[np.int64]) -> Doubles:
    """The doubles back."""
    magnitude = np.abs(keys).view(np.float64)
    return np.where(keys < 0, -magnitude, magnitude)


def _compares(value: float, operator: Operator, threshold: float) -> bool:
    answers: dict[str, Any] = {
        "<=": value <= threshold,
        ">": value > threshold,
        ">=": value >= threshold,
        "<": value < threshold,
        "any": True,
    }
    return bool(answers[operator])


def _categories(condition: Condition, codes: Mapping[str, float]) -> str:
    """The categories that meet a condition, or those that do not where they are fewer."""
    fits = [name for name, code in codes.items() if condition.holds(code)]
    others = [name for name, code in codes.items() if not condition.holds(code)]
    word, shown = ("one of", fits) if len(fits) <= len(others) else ("none of", others)
    return f"{word} {', '.join(shown)}"
