"""The log tells of drift where its state changes, and of nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from jobs.stages.drift_report import report_drift
from netheal.drift.window import DriftFigures, State
from netheal.store.drift import JudgedWindow


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def judged(state: State, before: State | None) -> JudgedWindow:
    figures = DriftFigures(state, 0.61, (0.61,), 0.0, 0.0, 0.0, 0.0, 0.0)
    return JudgedWindow(7, "attack/v1", "hash", "forest_v1", 10_000, figures, ("a", "b"), before)


@pytest.mark.parametrize(
    ("state", "before", "event"),
    [
        ("alarm", None, "drift.alarm"),
        ("alarm", "note", "drift.alarm"),
        ("note", "alarm", "drift.note"),
        ("ok", "alarm", "drift.over"),
        ("ok", "note", "drift.over"),
        ("ok", None, None),
        ("ok", "ok", None),
        ("alarm", "alarm", None),
    ],
)
def test_a_change_is_told_once(events: list[Any], state: State, before: State | None, event: str | None) -> None:
    report_drift(judged(state, before))
    assert [one["event"] for one in events] == ([] if event is None else [event])
    if events:
        told = {name: events[0][name] for name in ("window", "model", "mean_psi", "features")}
        assert told == {"window": 7, "model": "forest_v1", "mean_psi": 0.61, "features": ("a", "b")}
