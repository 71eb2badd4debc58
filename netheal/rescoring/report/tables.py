"""Tables, lists of figures and example rows of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from netheal.rescoring.report.element import Content, Element, append, element, foreign

_SHORT_HASH = 12


def figures(*pairs: tuple[str, str]) -> Element:
    """Large numbers, each with what it is."""
    found = element("ul", class_="figures")
    for name, value in pairs:
        found.append(element("li", element("b", value), element("span", name)))
    return found


def table(headers: Sequence[str], rows: Sequence[Sequence[Content]], numbers: Sequence[int] = ()) -> Element:
    """A table that scrolls by itself where it is too wide; columns at `numbers` stand to the right."""
    kinds = ["number" if at in numbers else None for at in range(len(headers))]
    head, body = element("tr"), element("tbody")
    for kind, name in zip(kinds, headers, strict=True):
        head.append(element("th", name, class_=kind, scope="col"))
    for cells in rows:
        row = element("tr")
        for kind, cell in zip(kinds, cells, strict=True):
            row.append(element("td", cell, class_=kind))
        body.append(row)
    return element("div", element("table", element("thead", head), body), class_="scroll")


def folded(summary: str, *content: Content, name: str | None = None) -> Element:
    """What one opens to see; `name`, if given, is text from outside that stands before the summary."""
    head = element("summary", foreign(name) if name is not None else None)
    append(head, summary)
    return element("details", head, *content)


def examples(rows: Sequence[Mapping[str, Any]]) -> Element:
    """Example rows of verdicts: where they stand, what their label and the models said."""
    compared = any(row.get("other_is_attack") is not None for row in rows)
    headers = ["File", "Line", "Label", "Verdict", "Class", "Confidence", "Score"]
    cells: list[list[Content]] = [
        [
            *_place(row),
            foreign(row["label"] or ""),
            said(row["is_attack"]),
            row["attack_class"] or "",
            decimals(row["attack_confidence"]),
            decimals(row["threat_score"]),
            *([before_text(row)] if compared else []),
        ]
        for row in rows
    ]
    return table([*headers, *(["Compared models"] if compared else [])], cells, (1, 5, 6))


def _place(row: Mapping[str, Any]) -> tuple[Content, Content]:
    """Where a row stands: file and line, or the event that it is."""
    if row["file"] is None:
        return f"event {row['event_id']}", ""
    return foreign(row["file"]), count(row["line"])


def before_text(row: Mapping[str, Any]) -> str:
    """What the compared models said of a row."""
    score = row["other_threat_score"]
    parts = (said(row["other_is_attack"]), row["other_attack_class"], None if score is None else f"score {score:.4f}")
    return ", ".join(part for part in parts if part)


def rejected_examples(rows: Sequence[Mapping[str, Any]]) -> Element:
    """Example rows of a reason."""
    cells: list[list[Content]] = [
        [*_place(row), foreign(row["field"] or ""), foreign(row["detail"] or "")] for row in rows
    ]
    return table(["File", "Line", "Field", "Detail"], cells, (1,))


def said(attack: bool | None) -> str:
    """A verdict in a word."""
    return "" if attack is None else "attack" if attack else "normal"


def count(value: int | None) -> str:
    """A number of rows."""
    return "" if value is None else f"{value:,}"


def rows_text(value: int) -> str:
    """A number of rows, in words.

    >>> rows_text(1), rows_text(2_000)
    ('1 row', '2,000 rows')
    """
    return "1 row" if value == 1 else f"{value:,} rows"


def decimals(value: float | None) -> str:
    """A score, or a figure of merit."""
    return "" if value is None else f"{value:.4f}"


def percent(value: float) -> str:
    """A share."""
    return f"{value:.2%}"


def short_hash(digest: str) -> Element:
    """The beginning of a hash, all of it in a hint."""
    return element("code", digest[:_SHORT_HASH], title=digest)
