"""The page shows what strangers wrote as text, needs nothing else, and draws what the document says."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from netheal.rescoring.report.charts import bar_chart, confusion_chart, roc_chart, score_chart
from netheal.rescoring.report.element import Element, as_html, element
from netheal.rescoring.report.page import report_page
from netheal.rescoring.report.run_report import RunReport

MakeTable = Callable[[list[dict[str, Any]]], pa.Table]
EVIL = "<script>alert('&amp;')</script>\u202e\u2066\x00\x1b[31m\u2028\"><img src=x onerror=alert(1)>"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Page(HTMLParser):
    """Tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(verdicts: pa.Table, make_rejected: MakeTable) -> Page:
    """Of a whole run, with everything in it."""
    report = RunReport("last year's")
    report.add(verdicts, make_rejected([{"run_id": "r1", "file": "1.csv", "line": 7, "reason": "nan"}]))
    return Page(report_page(report.document()))


@pytest.fixture(scope="module")
def foreign_page(make_verdicts: MakeTable, make_rejected: MakeTable) -> str:
    """Every text that can come from outside is an attempt at something."""
    missed = {"label": "neptune", "is_attack": False, "other_is_attack": True}
    unknown = {"label": EVIL, "is_attack": False, "other_is_attack": False}
    place = {"run_id": EVIL, "file": EVIL, "line": 3}
    model = {"threat_model_version": EVIL, "threat_model_hash": EVIL, "threat_score": 0.2, "threat_is_attack": False}
    rows = [{**place, **model, **row, "threat_threshold": 0.5, "policy_version": EVIL} for row in (missed, unknown)]
    report = RunReport(EVIL)
    report.add(make_verdicts(rows), make_rejected([{**place, "reason": EVIL, "field": EVIL, "detail": EVIL}]))
    report.add_file_error(EVIL + "2", EVIL)
    return report_page(report.document())


def test_what_strangers_wrote_is_text(foreign_page: str) -> None:
    page = Page(foreign_page)
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("href", "src")]
    assert foreign_page.count("&lt;script&gt;") >= 12


def test_characters_that_turn_the_line_around_are_written_out(foreign_page: str) -> None:
    assert not STEERING.search(foreign_page)
    assert "[U+202E][U+2066][U+0000][U+001B][31m[U+2028]" in foreign_page


def test_text_from_outside_cannot_change_the_direction_of_what_follows(make_verdicts: MakeTable) -> None:
    report = RunReport()
    row = {"run_id": "r", "file": "\u05d0\u05d1.csv", "line": 1, "is_attack": False}
    report.add(make_verdicts([row]), make_verdicts([]))
    assert "<bdi>\u05d0\u05d1.csv</bdi>" in report_page(report.document())


def test_the_page_needs_nothing_else(page: Page) -> None:
    assert not {"script", "link", "img"} & set(page.tags)
    assert not [value for _, value in page.attributes if "//" in value or value.startswith("data:")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_every_section_and_plot_is_there(page: Page) -> None:
    for title in (
        "Rows",
        "Attacks by class",
        "Comparison",
        "Missed before, found now: ",
        "Found before, missed now: ",
        "Verdicts against labels",
        "Threat detector",
        "Attack classifier",
        "Worst confusions",
        "Labels outside the 14 classes",
        "Rejected rows",
        "Files",
        "Models and policy",
    ):
        assert any(text.startswith(title) for text in page.texts), title
    drawn = [value for name, value in page.attributes if name == "aria-label"]
    assert drawn == ["Attacks by class", "ROC curve", "Calibration", "Rows by score", "Confusion matrix"]


def test_axes_are_named(page: Page) -> None:
    names = {"False positive rate: share of normal rows", "True positive rate: share of attacks", "Mean score"}
    names |= {"Share of attacks", "Score of the threat detector", "Rows (logarithmic)", "Class by the label", "Rows"}
    assert names <= set(page.texts)


def test_a_run_of_nothing_is_a_page(tmp_path: Path) -> None:
    RunReport().write(tmp_path)
    assert "No row was called an attack." in (tmp_path / "report.html").read_text()


def _of_kind(svg: Element, tag: str, kind: str) -> list[Element]:
    return [found for found in svg.iter(tag) if kind in (found.get("class") or "").split()]


def test_bars_are_as_long_as_their_rows() -> None:
    bars = _of_kind(bar_chart([("a", 400, ""), ("b", 100, "")], "Rows", "t"), "rect", "bar")
    long, short = (float(bar.get("width") or 0) for bar in bars)
    assert long == pytest.approx(4 * short, rel=1e-3)


def test_the_curve_goes_from_corner_to_corner() -> None:
    curve = {"auc": 0.75, "false_positive_rate": [0.0, 0.5, 1.0], "true_positive_rate": [0.0, 1.0, 1.0]}
    svg = roc_chart({"now": curve}, (0.5, 1.0))
    (drawn,) = _of_kind(svg, "path", "curve")
    (chance,) = _of_kind(svg, "path", "chance")
    begin, middle, end = (drawn.get("d") or "")[1:].split("L")
    assert (chance.get("d") or "")[1:].split("L") == [begin, end]
    point = _of_kind(svg, "circle", "point")[0]
    assert [float(part) for part in middle.split()] == [float(point.get(name) or 0) for name in ("cx", "cy")]


def test_cells_show_rows_and_tell_right_from_wrong() -> None:
    svg = confusion_chart(["a", "b"], [[3, 1], [0, 2]])
    assert [len(_of_kind(svg, "rect", kind)) for kind in ("cell", "right", "wrong")] == [4, 2, 1]
    assert [text.text for text in _of_kind(svg, "text", "value")] == ["3", "1", "2"]


def test_scores_of_rows_without_labels_are_drawn() -> None:
    bars = [{"from": at / 50, "normal": 0, "attack": 0, "unlabelled": 10 if at == 25 else 0} for at in range(50)]
    svg = score_chart(bars, [0.5])
    assert len(_of_kind(svg, "rect", "unlabelled")) == 2  # a bar, and its colour in the legend
    assert not _of_kind(svg, "rect", "attack")


def test_markup_is_escaped_wherever_it_stands() -> None:
    page = Page(as_html(element("p", "<b>", element("i"), "<b>", title='"><b>')))
    assert (page.tags, page.attributes) == (["p", "i"], [("title", '"><b>')])
