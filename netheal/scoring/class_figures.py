"""Figures of merit of a classifier, from its confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_figures(confusion: NDArray[np.int64], names: Sequence[str], benign: str) -> dict[str, Any]:
    """Figures of `confusion` [k, k]: rows of class `names[i]` that were called `names[j]`.

    `macro_f1` is the mean over classes that occur in the truth; a false alarm is a row of the class `benign` called
    anything else; `detected` is the share of attack rows called any attack. What there are no rows for is 0.
    """
    right = np.diag(confusion)
    support, said = confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _shares(right, said), _shares(right, support)
    f1 = _shares(2 * right, support + said)
    quiet = np.array([name == benign for name in names])
    return {
        "rows": int(confusion.sum()),
        "accuracy": _share(right.sum(), confusion.sum()),
        "macro_f1": float(f1[support > 0].mean()) if support.any() else 0.0,
        "false_alarms_per_100k_benign": _share(confusion[quiet][:, ~quiet].sum(), support[quiet].sum()) * 100_000,
        "detected": _share(confusion[~quiet][:, ~quiet].sum(), support[~quiet].sum()),
        "classes": {
            name: {
                "rows": int(support[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
            }
            for i, name in enumerate(names)
        },
        "confusion": confusion.tolist(),
    }


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _share(part: np.int64, whole: np.int64) -> float:
    return float(part / whole) if whole else 0.0
