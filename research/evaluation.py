"""How a recipe does on rows that its training did not see: other seeds, families, groups, meters, later times."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_curve
from sklearn.model_selection import GroupKFold

from netheal.contracts.verdict import is_attack_score
from research.datasets import Rows, joined, split, split_by_time

FOLDS = 5


class Detector(Protocol):
    """A trained model."""

    @property
    def benign(self) -> str:
        """The label of rows that are no attack."""

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each unscaled row [N, n] looks like an attack, in [0, 1], double [N]."""

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        """Labels [N]; any that is not `benign` is an alarm."""


Fit = Callable[[Rows, int], Detector]
"""A recipe: rows to train on and a seed; the same rows and seed give the same model."""


@dataclass(frozen=True)
class Scored:
    """Rows that a model did not see in training, its attack scores [N], and which of them it called an attack [N]."""

    rows: Rows
    scores: NDArray[np.float64]
    alarms: NDArray[np.bool_]

    def alarms_at(self, threshold: float | None) -> NDArray[np.bool_]:
        """Rows whose score reaches the threshold, or, without one, that the model called an attack."""
        return self.alarms if threshold is None else is_attack_score(self.scores, threshold)


def scored(model: Detector, rows: Rows) -> Scored:
    """What a model says of rows."""
    return Scored(rows, model.scores(rows.values), model.answers(rows.values) != model.benign)


def repeated(fit: Fit, rows: Rows, seeds: Sequence[int]) -> Iterator[tuple[Detector, Rows]]:
    """For each seed a model, trained on four fifths of the rows, and the fifth held out."""
    for seed in track(seeds, "training with other seeds"):
        seen, held = split(rows, seed)
        yield fit(seen, seed), held


def unseen_families(fit: Fit, rows: Rows, benign: str, seed: int) -> Iterator[tuple[str, Scored]]:
    """For each attack its name and its rows, scored by a model that was trained without any of them."""
    for name, model, held in without_families(fit, rows, benign, seed):
        yield name, scored(model, held)


def without_families[T](
    fit: Callable[[Rows, int], T], rows: Rows, benign: str, seed: int
) -> Iterator[tuple[str, T, Rows]]:
    """For each attack its name, a model that was trained without any of its rows, and these."""
    names = sorted({str(label) for label in rows.labels} - {benign})
    for name in track(names, "leaving one family out"):
        family = rows.labels == name
        if (rows.labels[~family] != benign).any():
            yield name, fit(rows.take(~family), seed), rows.take(family)


def unseen_groups(fit: Fit, rows: Rows, benign: str, seed: int) -> Scored:
    """Benign rows, each scored by a model that was trained without any row of its group.

    Rows whose group is unknown are trained on each time.
    """
    known = np.flatnonzero(rows.group != "")
    folds = GroupKFold(min(FOLDS, len(set(rows.group[known]))), shuffle=True, random_state=seed)
    found = []
    for _, rest in track(list(folds.split(known, groups=rows.group[known])), "leaving groups out"):
        left_out = known[rest]
        quiet = rows.take(left_out[rows.labels[left_out] == benign])
        found.append(scored(fit(rows.take(np.delete(np.arange(len(rows)), left_out)), seed), quiet))
    return Scored(
        joined([part.rows for part in found]),
        np.concatenate([part.scores for part in found]),
        np.concatenate([part.alarms for part in found]),
    )


def other_sources[T](fit: Callable[[Rows, int], T], rows: Rows, seed: int) -> Iterator[tuple[str, T, Rows]]:
    """For each source its name, a model that was trained on the others alone, and its rows."""
    for name in np.unique(rows.source.astype(str)):
        own = rows.source == name
        if not own.all():
            yield str(name), fit(rows.take(~own), seed), rows.take(own)


def later_rows(fit: Fit, rows: Rows, seed: int) -> tuple[Detector, Rows] | None:
    """A model of what came first, and the last fifth of every class; None where no row has a time."""
    seen, held = split_by_time(rows)
    return (fit(seen, seed), held) if len(held) else None


def threshold_at(benign_scores: NDArray[np.float64], false_alarms: float) -> float:
    """The lowest score at or above which at most this share of benign rows [N] lies; above 1 where none is."""
    never = np.nextafter(1.0, 2.0)
    scores = np.append(benign_scores, never)
    attack = np.append(np.zeros(len(benign_scores)), 1)
    shares, _, thresholds = roc_curve(attack, scores, drop_intermediate=False)
    return float(thresholds[shares <= false_alarms].min())
