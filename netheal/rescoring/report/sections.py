"""Sections of the page on what was read and found, labels or not."""

from collections.abc import Mapping
from typing import Any

from netheal.rescoring.report.charts import bar_chart
from netheal.rescoring.report.element import Content, Element, element, foreign
from netheal.rescoring.report.tables import count, figures, folded, rejected_examples, rows_text, short_hash, table

Document = Mapping[str, Any]
MOST_FILES = 500
"""Files that the page lists; the document has all."""


def section(title: str, *content: Content) -> Element:
    """A part of the page under its heading."""
    return element("section", element("h2", title), *content)


def plot(drawing: Element, caption: str) -> Element:
    """A plot and what it shows."""
    return element("figure", drawing, element("figcaption", caption))


def overview(document: Document) -> Element:
    """How many rows there were, and what became of them."""
    rows = document["rows"]
    errors = sum(one["error"] is not None for one in document["files"])
    return section(
        "Rows",
        figures(
            ("rows read", count(rows["read"])),
            ("verdicts", count(rows["verdicts"])),
            ("attacks", count(rows["attacks"])),
            ("normal", count(rows["normal"])),
            ("rejected", count(rows["rejected"])),
            ("with a label", count(rows["labelled"])),
            ("files", count(len(document["files"]))),
            ("files with an error", count(errors)),
        ),
    )


def attacks(document: Document) -> Element:
    """Attacks by class."""
    found = document["attacks"]
    if not found:
        return section("Attacks by class", element("p", "No row was called an attack."))
    bars = [(one["class"], one["rows"], f"{one['rows']:,} · {one['percent']:.2f} %") for one in found]
    caption = "Rows called an attack, and per cent of all attacks; unclassified: the threat detector alone said so."
    return section("Attacks by class", plot(bar_chart(bars, "Rows", "Attacks by class"), caption))


def rejected(document: Document) -> Element | None:
    """Rejected rows by reason."""
    found = document["rejected"]
    if not found:
        return None
    rows = [[element("code", one["reason"]), one["meaning"] or "", count(one["rows"])] for one in found]
    return section(
        "Rejected rows",
        element("p", "Every row that was read has a verdict or is here, never both.", class_="muted"),
        table(["Reason", "Meaning", "Rows"], rows, (2,)),
        element("h3", "Example rows"),
        *(folded(f"{one['reason']}: {rows_text(one['rows'])}", rejected_examples(one["examples"])) for one in found),
    )


def files_read(document: Document) -> Element:
    """Files, those with an error first."""
    found = sorted(document["files"], key=lambda one: (one["error"] is None, -one["rejected"], one["file"]))
    rows = [
        [
            foreign(one["file"]),
            count(one["verdicts"]),
            count(one["attacks"]),
            count(one["rejected"]),
            ", ".join(f"{reason} {rows:,}" for reason, rows in one["reasons"].items()),
            element("span", foreign(one["error"]), class_="bad") if one["error"] is not None else "",
        ]
        for one in found[:MOST_FILES]
    ]
    more = len(found) - len(rows)
    return section(
        "Files",
        table(["File", "Verdicts", "Attacks", "Rejected", "Reasons", "Error"], rows, (1, 2, 3)),
        element("p", f"And {more:,} more, which report.json lists.", class_="muted") if more else None,
    )


def models(document: Document) -> Element:
    """What scored and decided."""
    scored: list[list[Content]] = [
        [one["type"].replace("_", " "), foreign(one["version"]), short_hash(one["hash"]), count(one["rows"])]
        for one in document["models"]
    ]
    decided: list[list[Content]] = [
        ["healing policy", "", element("code", one["version"]), count(one["rows"])] for one in document["policies"]
    ]
    return section("Models and policy", table(["What", "Version", "Hash", "Rows"], [*scored, *decided], (3,)))
