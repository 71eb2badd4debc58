"""The thresholds of drift part the two meters of the real data, as docs/drift.md says."""

from pathlib import Path

import numpy as np

from netheal.contracts import contract
from netheal.drift.window import ALARM_PSI, NOTE_PSI
from research.drift_thresholds import Part, mean_psi_of_windows, parts_of_flows, table

ATTACK = contract("attack/v1")


def test_windows_are_drawn_without_replacement_and_each_is_whole() -> None:
    rows = np.random.default_rng(2).exponential(size=(2_500, 42))
    part = Part("same", "same", rows, rows)
    found = mean_psi_of_windows(part, ATTACK, 1_000)
    assert len(found) == 2 and found.max() < 0.05
    assert len(mean_psi_of_windows(part, ATTACK, 10_000)) == 0
    text = table([part], ATTACK)
    assert text.count("\n") == 2 and "| same | same | 1,000 | 2 |" in text


def test_another_meter_alarms_always_and_the_same_meter_never(shared_data: Path) -> None:
    lines = 0
    for part in parts_of_flows(shared_data, ATTACK):
        found = mean_psi_of_windows(part, ATTACK, 1_000)
        if part.training.startswith("original meter"):
            other = part.traffic.startswith("other meter")
            assert (found >= ALARM_PSI).all() if other else (found < NOTE_PSI).all(), part.traffic
            lines += 1
    assert lines >= 12
