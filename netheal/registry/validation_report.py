"""An examination's report as the registry keeps it, and as a sender is told of it."""

from typing import Any

from netheal.bundles.intake.report import STEPS, Report, Step

_LAST = Step("storage_and_record", True, "stored by its content hash, and recorded")
_TITLES = STEPS | {_LAST.name: "Storage and record"}
_ANEW = ("version", "bundle_hash")
"""Figures of the examination that the registry may decide otherwise: a model's record says them."""


def report_document(report: Report) -> dict[str, Any]:
    """The report with its steps' titles, all of it plain JSON."""
    document = report.to_document()
    document["steps"] = [_step(step) for step in report.steps]
    return document


def recorded_report(report: Report) -> dict[str, Any]:
    """The same for a model's record, with the last step: it is recorded, or there is no record that could say so."""
    document = report_document(report)
    document["steps"].append(_step(_LAST))
    document["figures"] = {name: value for name, value in document["figures"].items() if name not in _ANEW}
    return document


def _step(step: Step) -> dict[str, Any]:
    return {"name": step.name, "passed": step.passed, "reason": step.reason, "title": _TITLES[step.name]}
