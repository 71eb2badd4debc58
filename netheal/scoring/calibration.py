"""How far scores are probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 10


def calibration_figures(
    scores: NDArray[np.float64], normal: NDArray[np.int64], attacks: NDArray[np.int64]
) -> dict[str, Any]:
    """How far scores [k] are probabilities of an attack, of so many normal rows [k] and attacks [k] with each.

    `bins` give rows, the mean score and the share of attacks of each tenth of the scale that has rows; `brier` is the
    mean squared, `calibration_error` the mean distance of the two over tenths, by rows. Both are 0 without rows.

    >>> calibration_figures(np.array([0.25]), np.array([3]), np.array([1]))["calibration_error"]
    0.0
    """
    rows = normal + attacks
    total = max(int(rows.sum()), 1)
    tenth = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    bins = []
    for part in (tenth == number for number in range(_BINS)):
        count = int(rows[part].sum())
        if count:
            mean = float((scores[part] * rows[part]).sum() / count)
            bins.append({"rows": count, "mean_score": mean, "attacks": float(attacks[part].sum() / count)})
    squares = (attacks * (1.0 - scores) ** 2 + normal * scores**2).sum()
    distance = sum(one["rows"] * abs(one["mean_score"] - one["attacks"]) for one in bins)
    return {"brier": float(squares / total), "calibration_error": float(distance / total), "bins": bins}
