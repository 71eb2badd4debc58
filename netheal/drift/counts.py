"""What is counted of a model's traffic: numbers of rows in one array, so that counts of parts add up to the whole's."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.training_histograms import TrainingHistograms

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_FIRST = ("rows", "rejected", "unknown_categories", "novel")


@dataclass(frozen=True)
class DriftCounts:
    """Counts of rows that a model scored, and of those that were rejected on their way to it.

    `values`, int64, has the numbers that the properties name, then the bins of each feature in contract order, those
    of the score, and the classes by name.
    """

    histograms: TrainingHistograms
    values: Ints

    @staticmethod
    def none_yet(histograms: TrainingHistograms) -> "DriftCounts":
        """Nothing counted."""
        bins = sum(len(histogram.counts) for histogram in (*histograms.features, histograms.score))
        return DriftCounts(histograms, np.zeros(len(_FIRST) + bins + len(histograms.classes), np.int64))

    def add_scored(self, matrix: Doubles, scores: Doubles, classes: Ints, novel: int) -> None:
        """Count n scored rows: unscaled features [n, features], scores [n], rows by class [k], how many are novel."""
        self.values[0] += len(matrix)
        self.values[3] += novel
        for at, column in enumerate(np.ascontiguousarray(matrix.T)):
            self.features[at][:] += self.histograms.features[at].count(column)
        self.score[:] += self.histograms.score.count(scores)
        self.classes[:] += classes

    def add_rejected(self, rejected: int, unknown_categories: int) -> None:
        """Count rejected rows, and how many of them for a category that the model does not know."""
        self.values[1] += rejected
        self.values[2] += unknown_categories

    @property
    def rows(self) -> int:
        """Scored rows."""
        return int(self.values[0])

    @property
    def rejected(self) -> int:
        """Rows that were rejected for what the model's contract asks of them."""
        return int(self.values[1])

    @property
    def unknown_categories(self) -> int:
        """Those of them with a category that the model does not know."""
        return int(self.values[2])

    @property
    def novel(self) -> int:
        """Scored rows that are marked novel."""
        return int(self.values[3])

    @property
    def features(self) -> list[Ints]:
        """Rows by bin, feature by feature; views of `values`."""
        return self._parts[: len(self.histograms.features)]

    @property
    def score(self) -> Ints:
        """Rows by bin of the score or confidence; a view."""
        return self._parts[-2]

    @property
    def classes(self) -> Ints:
        """Rows by answer, sorted by name; a view."""
        return self._parts[-1]

    @cached_property
    def _parts(self) -> list[Ints]:
        sizes = [len(histogram.counts) for histogram in (*self.histograms.features, self.histograms.score)]
        return np.split(self.values[len(_FIRST) :], np.cumsum(sizes))
