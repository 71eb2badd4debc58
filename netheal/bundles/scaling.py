"""Scaling of features before a model sees them: element-wise steps in double, as scikit-learn takes them."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.inference import INPUT
from netheal.errors import BundleError

Step = tuple[Literal["Sub", "Div", "Mul", "Add"], NDArray[np.float64]]


@dataclass(frozen=True)
class Scaling:
    """Steps in order, each with one value a feature, then an optional clip to (low, high)."""

    steps: tuple[Step, ...] = field(default=())
    clip: tuple[float, float] | None = None

    def add_to(self, graph: GraphBuilder) -> str:
        """Append the steps to a graph; returns the scaled tensor, double [N, n_features]."""
        value = INPUT
        for operation, operand in self.steps:
            value = graph.add(operation, value, graph.constant(_checked(operand, graph.n_features)))
        if self.clip is not None:
            low, high = self.clip
            if not low < high:
                raise BundleError(f"clipping to [{low}, {high}] leaves nothing: correct the scaler's range")
            value = graph.add("Clip", value, _scalar(graph, low), _scalar(graph, high))
        return value

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scaled rows, by numpy."""
        steps = {"Sub": np.subtract, "Div": np.divide, "Mul": np.multiply, "Add": np.add}
        for operation, operand in self.steps:
            rows = steps[operation](rows, operand)
        return rows if self.clip is None else np.clip(rows, *self.clip)


def standard(mean: ArrayLike | None, scale: ArrayLike | None) -> Scaling:
    """StandardScaler, and RobustScaler with its `center_` for a mean; None leaves a step out."""
    steps: list[Step] = []
    if mean is not None:
        steps.append(("Sub", np.asarray(mean, dtype=np.float64)))
    if scale is not None:
        steps.append(("Div", np.asarray(scale, dtype=np.float64)))
    return Scaling(tuple(steps))


def min_max(scale: ArrayLike, minimum: ArrayLike, clip: tuple[float, float] | None = None) -> Scaling:
    """MinMaxScaler from its `scale_` and `min_`; `clip` is its feature range where it clips."""
    times, plus = np.asarray(scale, dtype=np.float64), np.asarray(minimum, dtype=np.float64)
    return Scaling((("Mul", times), ("Add", plus)), clip)


def _scalar(graph: GraphBuilder, value: float) -> str:
    return graph.constant(np.array(value, dtype=np.float64))


def _checked(operand: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    if operand.shape != (n_features,):
        raise BundleError(f"the scaler has shape {operand.shape} for {n_features} features: it is another's")
    if not np.isfinite(operand).all():
        raise BundleError("the scaler holds a value that is not finite: fit it again")
    return operand
