"""`netheal models validate`, and research/validate_bundle.py: a bundle's report for a person."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.bundles.intake.examine import ExaminationRequest, Examined
from netheal.bundles.intake.report import STEPS
from netheal.bundles.intake.sandbox import examine_file
from netheal.contracts import MODEL_TYPES, ModelType
from netheal.errors import SettingsError
from netheal.wording import quoted

_FIGURES = {
    "layout": "layout",
    "model": "model",
    "scaler": "scaler",
    "contract": "contract",
    "contract_hash": "contract hash",
    "version": "version",
    "threshold": "threshold",
    "parity": "parity with plain numpy",
    "rows_per_s": "rows a second",
    "file_bytes": "file, bytes",
    "onnx_bytes": "served graph, bytes",
    "source_sha256": "sha256 of the file",
    "bundle_hash": "hash of the served form",
    "network": "network while reading",
}


def validate(file: Path, model_type: str, profile: Path | None, as_json: bool = False) -> int:
    """Examine the file, print the report; 0 where it is accepted, else 1."""
    report = examine_as(file, model_type, profile).report
    show_report(f"{file.name} as {model_type}", report.to_document(), as_json)
    return 0 if report.accepted else 1


def examine_as(file: Path, model_type: str, profile: Path | None) -> Examined:
    """Examine a file of somebody's disk; raises SettingsError for another type, BundleError where it cannot be read."""
    known: dict[str, ModelType] = {name: name for name in MODEL_TYPES}
    if model_type not in known:
        raise SettingsError(f"the model type is one of {', '.join(known)}, not {quoted(model_type)}")
    text = profile.read_bytes() if profile is not None else None
    return examine_file(file, ExaminationRequest(file.suffix.lower(), known[model_type], text))


def show_report(title: str, report: dict[str, Any], as_json: bool) -> None:
    """A report as JSON, or for a person."""
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        print_report(title, report)


def print_report(title: str, report: dict[str, Any]) -> None:
    """A report as `Report.to_document` gives it, also with the steps that the registry adds to it."""
    console = Console(highlight=False)
    steps = Table(title=escape(title), title_justify="left")
    for heading in ("step", "result", "why"):
        steps.add_column(heading)
    words = {True: "[green]pass[/green]", False: "[red]fail[/red]", None: "[dim]not reached[/dim]"}
    for step in report["steps"]:
        steps.add_row(step.get("title") or STEPS[step["name"]], words[step["passed"]], escape(step["reason"]))
    console.print(steps)
    for name, heading in _FIGURES.items():
        if report["figures"].get(name) is not None:
            console.print(f"{heading}: {escape(str(report['figures'][name]))}", soft_wrap=True)
    for warning in report.get("warnings", []):
        console.print(f"[yellow]note[/yellow]: {escape(warning)}", soft_wrap=True)
    refusal = next((step["reason"] for step in report["steps"] if step["passed"] is False), "")
    console.print(f"[red]refused[/red]: {escape(refusal)}" if refusal else "[green]accepted[/green]", soft_wrap=True)
