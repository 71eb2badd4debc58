"""A window of traffic against training: when it is full, what its figures are, and what they mean."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from netheal.drift.counts import DriftCounts
from netheal.drift.stability import stability_index

State = Literal["ok", "note", "alarm"]
STATES: tuple[State, ...] = get_args(State)

NOTE_PSI = 0.35
ALARM_PSI = 0.5
"""Mean PSI over the features from which on a window is noted, and an alarm.

On real rows (`python -m research.drift_thresholds`) every window of another flow meter lies above the alarm, and
windows of the training's own meter, of days and sources that training lacked too, lie below the note.
"""

LEAST_ROWS = 1_000
"""A smaller window says little: its empty bins alone move the index."""

AT_FAULT = 5
"""So many features are named."""


@dataclass(frozen=True)
class WindowRules:
    """When a window is full: at `rows` rows, once it is `least_s` old, or with `LEAST_ROWS` after `most_s` seconds.

    `least_s` keeps fast traffic from filling the database with windows.
    """

    rows: int = 10_000
    most_s: float = 3_600.0
    least_s: float = 60.0

    def is_full(self, rows: int, age_s: float) -> bool:
        """Whether a window of so many scored rows is to be judged.

        >>> WindowRules().is_full(10_000, 60), WindowRules().is_full(999, 10_000), WindowRules().is_full(1_000, 3_600)
        (True, False, True)
        """
        return (rows >= self.rows and age_s >= self.least_s) or (rows >= LEAST_ROWS and age_s >= self.most_s)


@dataclass(frozen=True)
class DriftFigures:
    """Of a window. `feature_psi` double [features] in contract order; shares are of all rows meant for the model."""

    state: State
    mean_psi: float
    feature_psi: tuple[float, ...]
    score_psi: float
    class_psi: float
    unknown_share: float
    rejected_share: float
    novel_share: float

    @property
    def at_fault(self) -> list[int]:
        """The places of the `AT_FAULT` features that moved most, the worst first."""
        return [int(at) for at in np.argsort(-np.array(self.feature_psi), kind="stable")[:AT_FAULT]]


def judge(counts: DriftCounts) -> DriftFigures:
    """The figures of a window, which has scored rows. The mean over the features alone decides on its state."""
    training = counts.histograms
    features = zip(training.features, counts.features, strict=True)
    feature_psi = tuple(stability_index(histogram.counts, found) for histogram, found in features)
    mean_psi = float(np.mean(feature_psi))
    meant = counts.rows + counts.rejected
    return DriftFigures(
        state=state_of(mean_psi),
        mean_psi=mean_psi,
        feature_psi=feature_psi,
        score_psi=stability_index(training.score.counts, counts.score),
        class_psi=stability_index(np.array(list(training.classes.values())), counts.classes),
        unknown_share=counts.unknown_categories / meant,
        rejected_share=counts.rejected / meant,
        novel_share=counts.novel / counts.rows,
    )


def state_of(mean_psi: float) -> State:
    """What a mean PSI means.

    >>> state_of(0.1), state_of(0.35), state_of(0.5)
    ('ok', 'note', 'alarm')
    """
    if mean_psi >= ALARM_PSI:
        return "alarm"
    return "note" if mean_psi >= NOTE_PSI else "ok"
