"""The terminal view shows every count at every width, as the API counts, and what goes on above them."""

import io
import re

import pytest
from rich.console import Console

from netheal.cli.stage import StatusLine
from netheal.cli.status import Status
from netheal.cli.view import LiveView
from netheal.store.progress import ActiveVersion, Progress
from netheal.store.totals import RowCounts

ROWS = RowCounts(
    {
        "prediction": {"attack": 1_234_567, "normal": 7_654_321},
        "class": {"BENIGN": 999_999, "Web Attack – Brute Force": 123_456, "DDoS": 77_777, "Bot": 1},
        "threat": {"attack": 4_444, "normal": 6_666},
        "action": {"restart_service": 222_222, "log_only": 3},
        "rejected": {"unknown_category": 987_654, "not_an_object": 16},
    }
)
MODELS = tuple(
    ActiveVersion(model_type, version, "0" * 64)
    for model_type, version in (
        ("attack_classifier", "decision_tree_v1_20261122"),
        ("threat_detector", "ensemble_v1_20261122"),
    )
)
STATUS = Status(Progress(batches=777, last_rows=9_999, last_s=1.23, rows=ROWS, active=MODELS), 12.4, 12_345)


def drawn(view: LiveView, width: int, height: int = 40) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height, force_terminal=True, color_system=None).print(view)
    return out.getvalue()


def shown(status: Status = STATUS, stage: StatusLine = StatusLine("running")) -> LiveView:  # noqa: B008
    view = LiveView()
    view.update(status, stage)
    return view


@pytest.mark.parametrize("width", [28, 40, 50, 59, 60, 79, 80, 99, 100, 200])
def test_no_count_is_lost_at_any_width(width: int) -> None:
    text = drawn(shown(), width)
    figures = ["9,876,558", "12,345", "777", "1,234,567", "7,654,321", "987,670", "9,999"]
    for count in [*figures, "123,456", "77,777", "1,033,333", "222,222", "987,654", " 16", " 3", " 1"]:
        assert count in text, count
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("width", [28, 50, 80, 120])
def test_it_is_no_higher_than_the_terminal_and_sums_up_what_does_not_fit(width: int) -> None:
    reasons = {f"reason_{at:02}": 100 - at for at in range(40)}
    rows = RowCounts({**ROWS.counts, "rejected": reasons})
    view = shown(Status(Progress(batches=1, last_rows=1, last_s=0.1, rows=rows, active=MODELS[:1])))
    text = drawn(view, width, height=24)
    assert len(text.splitlines()) <= 24
    numbers = [line.rstrip(" │").rpartition(" ")[2] for line in text.splitlines() if "more" in line]
    assert numbers, text
    seen = sum(n for name, n in reasons.items() if name in text)
    assert str(f"{sum(reasons.values()) - seen:,}") in numbers


def test_normal_rows_are_all_that_are_no_attack_and_each_attack_is_counted_once() -> None:
    view = shown()
    text, line = drawn(view, 140), view.line()
    assert "1,234,567 attacks" in text and "7,654,321 normal" in text and "12 verdicts/s" in text
    assert "1234567 attacks" in line and "7654321 normal" in line and "12 verdicts/s" in line
    assert re.search(r"DDoS +77,777", text) and re.search(r"unclassified +1,033,333", text)
    assert "benign" not in text.lower() and "threat detector" not in text


@pytest.mark.parametrize("width", [30, 80, 120])
def test_what_is_wrong_is_said_in_full(width: int) -> None:
    stage = StatusLine("waiting", "the Kafka broker is down since 14:03:22 (it ended), it is being restarted")
    words = drawn(shown(stage=stage), width).replace("│", " ").split()
    assert " ".join(words).count(str(stage)) == 1


def test_a_lag_that_nobody_knows_is_no_number() -> None:
    view = shown(
        Status(Progress(batches=1, rows=ROWS), lag=None), StatusLine("waiting", "the Kafka broker does not answer")
    )
    assert "? rows lag" in drawn(view, 80)
    assert view.line() == (
        "waiting: 9876558 rows in, 0 verdicts/s, 1234567 attacks, 7654321 normal, 987670 rejected, lag ?;"
        " the Kafka broker does not answer"
    )


def test_names_are_no_markup() -> None:
    rejected = RowCounts({"rejected": {"[red]x[/nothing]": 1}})
    assert "[red]x[/nothing]" in drawn(shown(Status(Progress(rows=rejected))), 100)
