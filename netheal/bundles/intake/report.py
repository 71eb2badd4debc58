"""What an examination found, step by step."""

from dataclasses import asdict, dataclass, field
from typing import Any

STEPS = {
    "file_format": "File format",
    "loading": "Loading",
    "structure": "Bundle structure",
    "features": "Feature count and names",
    "test_prediction": "Test prediction on dummy data",
}


@dataclass(frozen=True)
class Step:
    """One step: passed, failed, or (None) not reached, and why."""

    name: str
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Report:
    """Every step in order, figures (size, layout, contract and hash, parity, rows a second), and warnings.

    A warning is a sentence about an accepted file that a person should read before they serve it.
    """

    model_type: str
    steps: list[Step]
    figures: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether every step passed."""
        return len(self.steps) == len(STEPS) and all(step.passed for step in self.steps)

    @property
    def reason(self) -> str:
        """Why the file was refused; empty where it was not."""
        return next((step.reason for step in self.steps if step.passed is False), "")

    def to_document(self) -> dict[str, Any]:
        """As JSON, `accepted` included."""
        return {"accepted": self.accepted, **asdict(self)}


def report_from(document: dict[str, Any]) -> Report:
    """A report from its JSON."""
    steps = [Step(str(step["name"]), step["passed"], str(step["reason"])) for step in document["steps"]]
    warnings = [str(warning) for warning in document.get("warnings", [])]
    return Report(str(document["model_type"]), steps, dict(document["figures"]), warnings)


def failed_at(model_type: str, name: str, reason: str) -> Report:
    """The report of an examination that ended at one step, those before it passed."""
    order = list(STEPS)
    place = order.index(name)
    before = [Step(step, True, "") for step in order[:place]]
    after = [Step(step, None, "not reached") for step in order[place + 1 :]]
    return Report(model_type, [*before, Step(name, False, reason), *after])
