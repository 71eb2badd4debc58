"""What a report has counted."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netheal.contracts import attack_classes
from netheal.rescoring.report.columns import SHOWN, SHOWN_REJECTED, VERDICTS
from netheal.rescoring.report.example_rows import ExampleRows
from netheal.rescoring.report.score_histogram import ScoreHistogram

Counts = NDArray[np.int64]

_CLASSES = len(attack_classes().names)
MOST_LABELS = 500
"""Unknown labels that are counted apart; a file whose label column is something else has any number."""
OTHER_LABELS = "(other labels)"


def _matrix(size: int) -> Counts:
    return np.zeros((size, size), np.int64)


@dataclass
class Tally:
    """Counts of rows."""

    compared_with: str | None
    run_ids: set[str] = field(default_factory=set)
    file_errors: dict[str, str] = field(default_factory=dict)
    """File -> why it could not be read."""
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(file, one of `VERDICTS`)"""
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reason, file)"""
    models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(type, version, hash)"""
    policies: Counter[str] = field(default_factory=Counter)
    unknown_labels: set[str] = field(default_factory=set)
    labels: Counter[tuple[str, int, int, bool]] = field(default_factory=Counter)
    """(label, what it means, what the other models said, whether these call its rows attacks); the second and the third
    are `NORMAL`, `ATTACK` or `UNKNOWN`."""
    threat: Counts = field(default_factory=lambda: _matrix(2))
    """The threat detector: [normal or attack by label, by detector]."""
    thresholds: set[float] = field(default_factory=set)
    scores: ScoreHistogram = field(default_factory=ScoreHistogram)
    other_scores: ScoreHistogram = field(default_factory=ScoreHistogram)
    confusion: Counts = field(default_factory=lambda: _matrix(_CLASSES))
    """The attack classifier: [class by label, by classifier]."""
    other_confusion: Counts = field(default_factory=lambda: _matrix(_CLASSES))
    changes: Counts = field(default_factory=lambda: _matrix(len(VERDICTS)))
    """[verdict of the other models, of these]"""
    rows: ExampleRows = field(default_factory=lambda: ExampleRows(SHOWN))
    """By ("missed", label), ("false_alarm", label), ("found_now", label), ("missed_now", label),
    ("confusion", true class id, said class id), ("changed", place in `VERDICTS` before, now)."""
    rejected_rows: ExampleRows = field(default_factory=lambda: ExampleRows(SHOWN_REJECTED))
    """By reason."""

    def lists(self, label: str) -> bool:
        """Whether a label is counted apart: a known one, or one of the first that are unknown."""
        if attack_classes().known_label(label) is None and label not in self.unknown_labels:
            if len(self.unknown_labels) == MOST_LABELS:
                return False
            self.unknown_labels.add(label)
        return True

    def merge(self, other: "Tally") -> None:
        """Add what the other has counted."""
        self.compared_with = self.compared_with or other.compared_with
        self.file_errors |= other.file_errors
        for sets in ("run_ids", "thresholds"):
            getattr(self, sets).update(getattr(other, sets))
        for (label, truth, before, now), rows in other.labels.items():
            self.labels[label if self.lists(label) else OTHER_LABELS, truth, before, now] += rows
        for counter in ("verdicts", "rejected", "models", "policies"):
            getattr(self, counter).update(getattr(other, counter))
        for matrix in ("threat", "confusion", "other_confusion", "changes"):
            getattr(self, matrix).__iadd__(getattr(other, matrix))
        for part in ("scores", "other_scores", "rows", "rejected_rows"):
            getattr(self, part).merge(getattr(other, part))
