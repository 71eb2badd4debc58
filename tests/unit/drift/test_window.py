"""Counts of parts add up to those of the whole, and a window is judged by its mean over the features."""

import numpy as np
import pytest

from netheal.bundles.training_histograms import TrainingHistograms, learn_features, learn_histogram
from netheal.contracts import contract
from netheal.drift.counts import DriftCounts
from netheal.drift.window import ALARM_PSI, NOTE_PSI, WindowRules, judge, state_of

THREAT = contract("threat/v1")
RNG = np.random.default_rng(11)
TRAINING = np.abs(RNG.normal(size=(4_000, 10))).round(1)
HISTOGRAMS = TrainingHistograms(
    learn_features(TRAINING, THREAT), learn_histogram(RNG.random(500)), {"attack": 100, "normal": 400}
)


def counted(rows: np.ndarray, attacks: int = 200) -> DriftCounts:
    counts = DriftCounts.none_yet(HISTOGRAMS)
    scores = np.random.default_rng(1).random(len(rows))
    counts.add_scored(rows, scores, np.array([attacks, len(rows) - attacks]), novel=7)
    return counts


def test_counts_of_parts_add_up() -> None:
    rows = TRAINING[:1_000]
    whole, parts = DriftCounts.none_yet(HISTOGRAMS), [DriftCounts.none_yet(HISTOGRAMS) for _ in range(2)]
    scores = np.linspace(0, 1, 1_000)
    whole.add_scored(rows, scores, np.array([3, 997]), novel=5)
    whole.add_rejected(4, 1)
    parts[0].add_scored(rows[:300], scores[:300], np.array([1, 299]), novel=5)
    parts[1].add_scored(rows[300:], scores[300:], np.array([2, 698]), novel=0)
    parts[1].add_rejected(4, 1)
    assert (parts[0].values + parts[1].values).tolist() == whole.values.tolist()
    assert (whole.rows, whole.rejected, whole.unknown_categories, whole.novel) == (1_000, 4, 1, 5)
    assert [int(part.sum()) for part in (*whole.features, whole.score, whole.classes)] == [1_000] * 12


def test_traffic_like_training_is_no_drift() -> None:
    figures = judge(counted(TRAINING[:1_000]))
    assert figures.state == "ok" and figures.mean_psi < 0.05
    assert figures.novel_share == 0.007 and figures.rejected_share == figures.unknown_share == 0.0


def test_features_that_moved_are_at_fault_and_the_mean_decides() -> None:
    rows = TRAINING[:1_000].copy()
    moved = [2, 5, 7]
    rows[:, moved] = 50.0
    figures = judge(counted(rows))
    assert set(figures.at_fault[:3]) == set(moved) and len(figures.at_fault) == 5
    assert figures.mean_psi == pytest.approx(np.mean(figures.feature_psi)) and figures.mean_psi >= ALARM_PSI
    assert figures.state == "alarm"


def test_a_class_mix_that_moved_is_told_and_is_no_alarm() -> None:
    figures = judge(counted(TRAINING[:1_000], attacks=950))
    assert figures.class_psi > 1 and figures.state == "ok"


def test_shares_are_of_all_rows_meant_for_the_model() -> None:
    counts = counted(TRAINING[:900])
    counts.add_rejected(100, 50)
    figures = judge(counts)
    assert (figures.rejected_share, figures.unknown_share) == (0.1, 0.05)


@pytest.mark.parametrize(
    ("psi", "state"),
    [(NOTE_PSI - 1e-9, "ok"), (NOTE_PSI, "note"), (ALARM_PSI - 1e-9, "note"), (ALARM_PSI, "alarm")],
)
def test_thresholds(psi: float, state: str) -> None:
    assert state_of(psi) == state


@pytest.mark.parametrize(
    ("rows", "age_s", "full"),
    [
        (9_999, 100, False),
        (10_000, 59, False),
        (10_000, 60, True),
        (10**9, 1, False),
        (999, 10**6, False),
        (1_000, 3_599, False),
        (1_000, 3_600, True),
    ],
)
def test_when_a_window_is_full(rows: int, age_s: float, full: bool) -> None:
    assert WindowRules().is_full(rows, age_s) is full
