"""Scores of any number of rows in bounded memory: ROC, area under it, calibration, distribution."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.scoring.calibration import calibration_figures

NORMAL, ATTACK, UNKNOWN = 0, 1, 2
"""What a row's label says it is, if it says so."""

EXACT_SCORES = 20_000
"""With more different scores than these, they are rounded: what is kept does not grow then."""
_DECIMALS = 4
_ROC_POINTS = 200
_BARS = 50


class ScoreHistogram:
    """Rows by score, in [0, 1], and by what they are.

    Figures are exact up to `EXACT_SCORES` different scores, as forests and trees give. From there on scores are
    rounded to four decimals (10,001 of them), in whatever order rows come.
    """

    def __init__(self) -> None:
        self._scores = np.empty(0)
        self._rows = np.empty((3, 0), np.int64)
        self._rounded = False

    def add(self, scores: NDArray[np.float64], truth: NDArray[np.int8]) -> None:
        """Count scores [n] of rows that are `NORMAL`, `ATTACK` or `UNKNOWN` [n]."""
        found, place = np.unique(scores, return_inverse=True)
        counts = np.bincount(place * 3 + truth, minlength=3 * len(found)).reshape(-1, 3).T
        self._join(found, counts)

    def merge(self, other: "ScoreHistogram") -> None:
        """Count what the other has counted."""
        self._rounded |= other._rounded
        self._join(other._scores, other._rows)

    def _join(self, scores: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        self._scores = np.concatenate([self._scores, scores])
        self._rows = np.concatenate([self._rows, rows], axis=1)
        self._sum_up()
        if len(self._scores) > EXACT_SCORES and not self._rounded:
            self._rounded = True
            self._sum_up()

    def _sum_up(self) -> None:
        """Make equal scores one."""
        if not len(self._scores):
            return
        scores = np.round(self._scores, _DECIMALS) if self._rounded else self._scores
        order = np.argsort(scores, kind="stable")
        self._scores, first = np.unique(scores[order], return_index=True)
        self._rows = np.add.reduceat(self._rows[:, order], first, axis=1)

    def figures(self) -> dict[str, Any]:
        """`distribution`, and where there are labelled rows `calibration`; where both kinds are, `roc`."""
        normal, attacks = self._rows[NORMAL], self._rows[ATTACK]
        both = normal.any() and attacks.any()
        labelled = normal.any() or attacks.any()
        return {
            "scores_rounded_to_decimals": _DECIMALS if self._rounded else None,
            "distribution": self._distribution(),
            "roc": self._roc() if both else None,
            "calibration": calibration_figures(self._scores, normal, attacks) if labelled else None,
        }

    def _distribution(self) -> list[dict[str, Any]]:
        """Rows of each fiftieth of the scale."""
        bar = np.minimum((self._scores * _BARS).astype(np.int64), _BARS - 1)
        counts = [np.bincount(bar, rows, _BARS).astype(np.int64).tolist() for rows in self._rows]
        return [
            {"from": number / _BARS, "normal": normal, "attack": attack, "unlabelled": unknown}
            for number, (normal, attack, unknown) in enumerate(zip(*counts, strict=True))
        ]

    def _roc(self) -> dict[str, Any]:
        """The curve, and the area: by trapezoids, so that of equal scores a half counts as in order.

        `auc_error_at_most`: what rounding may have hidden, half of the pairs that it made equal.
        """
        normal, attacks = self._rows[NORMAL][::-1], self._rows[ATTACK][::-1]
        false, true = (np.concatenate([[0], np.cumsum(rows)]) for rows in (normal, attacks))
        pairs = float(false[-1]) * float(true[-1])
        area = float((np.diff(false) * (true[1:] + true[:-1]).astype(np.float64)).sum()) / 2 / pairs
        equal = float((normal.astype(np.float64) * attacks).sum()) / 2 / pairs
        x, y = false / false[-1], true / true[-1]
        kept = _spread_evenly(x + y)
        return {
            "auc": area,
            "auc_error_at_most": equal if self._rounded else 0.0,
            "false_positive_rate": x[kept].tolist(),
            "true_positive_rate": y[kept].tolist(),
        }


def _spread_evenly(along: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of at most so many points as a curve needs, the first and the last among them; `along` rises."""
    wanted = np.linspace(along[0], along[-1], _ROC_POINTS)
    return np.unique(np.concatenate([[0], np.searchsorted(along, wanted), [len(along) - 1]]))
