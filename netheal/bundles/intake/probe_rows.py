"""Made-up rows to try a model on, the same for the same model."""

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.scaling import Scaling
from netheal.contracts import Contract

ROWS = 512
_SEED = 20_241_201


def typical_rows(contract: Contract, scaling: Scaling, encoders: dict[str, list[str]]) -> NDArray[np.float64]:
    """Rows that lie where the scaler's training rows lay, within the contract's ranges."""
    random = np.random.default_rng(_SEED)
    scaled = np.clip(random.normal(0.0, 1.5, (ROWS, len(contract.features))), -4, 4)
    for operation, operand in reversed(scaling.steps):
        back = {"Sub": np.add, "Add": np.subtract, "Div": np.multiply, "Mul": np.divide}
        scaled = back[operation](scaled, operand)
    return _within(scaled, contract, encoders)


def extreme_rows(contract: Contract, encoders: dict[str, list[str]]) -> NDArray[np.float64]:
    """Rows over the contract's whole ranges, the first all zero."""
    random = np.random.default_rng(_SEED + 1)
    rows = 10.0 ** random.uniform(-3, 9, (ROWS, len(contract.features)))
    rows[0] = 0.0
    return _within(rows, contract, encoders)


def _within(rows: NDArray[np.float64], contract: Contract, encoders: dict[str, list[str]]) -> NDArray[np.float64]:
    low = np.array([feature.minimum for feature in contract.features])
    high = np.array([feature.maximum for feature in contract.features])
    rows = np.clip(rows, low, np.minimum(high, 1e12))
    for place, feature in enumerate(contract.features):
        if feature.category:
            rows[:, place] = np.floor(rows[:, place]) % max(1, len(encoders.get(feature.name, range(64))))
    return rows
