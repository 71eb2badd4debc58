"""The terminal says what the API says."""

import io
import re

from rich.console import Console

from netheal.cli.status import Status
from netheal.cli.view import LiveView
from netheal.store.totals import RowCounts

ROWS = RowCounts(
    {
        "prediction": {"attack": 30, "normal": 70},
        "class": {"BENIGN": 40, "DDoS": 20},
        "threat": {"attack": 25, "normal": 35},
        "rejected": {"nan": 3},
    }
)


def shown(view: LiveView) -> str:
    console = Console(width=140, file=io.StringIO())
    console.print(view)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_normal_rows_are_all_that_are_no_attack_and_each_attack_is_counted_once() -> None:
    view = LiveView()
    view.update(Status(ROWS, verdicts_per_s=12.4, lag=5))
    text = shown(view)
    for told in ("103 rows in", "30 attacks", "70 normal", "12 verdicts/s"):
        assert told in text and told in view.line()
    assert re.search(r"DDoS +. +20 ", text) and re.search(r"unclassified +. +10 ", text)
    assert "benign" not in text.lower() and "threat detector" not in text
