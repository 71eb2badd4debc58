"""Figures of merit, as plain numbers for cards and manifests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

from netheal.contracts.verdict import is_attack_score
from netheal.scoring.calibration import calibration_figures as figures_of_calibration
from netheal.scoring.class_figures import class_figures as figures_of_classes


@dataclass(frozen=True)
class Share:
    """How many of how many rows, and the Wilson interval of the share at 95 %; of no rows, 0 in [0, 1]."""

    hits: int
    rows: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.rows if self.rows else 0.0


def share(hits: NDArray[np.bool_]) -> Share:
    """Of all rows those that are true."""
    count, rows = int(hits.sum()), len(hits)
    if not rows:
        return Share(0, 0, 0.0, 1.0)
    interval = binomtest(count, rows).proportion_ci(0.95, method="wilson")
    return Share(count, rows, float(interval.low), float(interval.high))


def calibration_figures(attack: NDArray[np.int64], scores: NDArray[np.float64]) -> dict[str, Any]:
    """How far scores [N] are probabilities of 1 and not 0 [N], as `netheal.scoring.calibration` has it."""
    return figures_of_calibration(scores, 1 - attack, attack)


def class_figures(truth: ArrayLike, answer: ArrayLike, names: Sequence[str], benign: str) -> dict[str, Any]:
    """Figures over class names [N] and [N], all of them among `names`, as `netheal.scoring.class_figures` has them."""
    return figures_of_classes(confusion_matrix(truth, answer, labels=list(names)), names, benign)


def score_figures(attack: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, Any]:
    """Figures of scores [N] against 0 and 1 [N]: those of the two classes, and the area under the ROC."""
    names = np.array(["Normal", "Attack"])
    said = names[is_attack_score(scores, threshold).astype(np.int64)]
    figures = class_figures(names[attack], said, names.tolist(), "Normal")
    both = 0 < attack.sum() < len(attack)
    return figures | {
        "auc": float(roc_auc_score(attack, scores)) if both else None,
        "average_precision": float(average_precision_score(attack, scores)) if both else None,
    }
