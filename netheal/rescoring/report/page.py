"""`report.html`: one page that needs nothing else, made of the document alone."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from netheal.rescoring.report import label_sections, sections
from netheal.rescoring.report.element import append, as_html, element, foreign

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Should a text from outside ever get through as markup, it runs nothing and fetches nothing."""


def report_page(document: Mapping[str, Any]) -> str:
    """The page as HTML; every name, label and detail in it is text."""
    style = element("style")
    style.text = (files("netheal.rescoring.report") / "page.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "Rescoring report"),
        style,
    )
    body = element("body", element("h1", "Rescoring report"))
    runs = element("p", "Run ", class_="muted")
    for number, run in enumerate(document["run_ids"]):
        append(runs, ", " if number else None)
        runs.append(foreign(run))
    body.append(runs)
    for make in (
        sections.overview,
        sections.attacks,
        label_sections.comparison,
        label_sections.verdicts,
        label_sections.threat_detector,
        label_sections.attack_classifier,
        label_sections.outside_labels,
        sections.rejected,
        sections.files_read,
        sections.models,
    ):
        append(body, make(document))
    return as_html(element("html", head, body, lang="en"))
