"""Drift of the traffic of active models, when its state changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from netheal.drift.window import State
from netheal.notifications.source import Collected, Position
from netheal.store.database import Cursor
from netheal.store.drift import ActiveDrift, last_judged
from netheal.store.notifications import Notification, Severity
from netheal.wording import printable

_TITLE_CHARS = 300
_SEVERITY: Mapping[State, Severity] = {"ok": "info", "note": "info", "alarm": "error"}
_MEANING: Mapping[State, str] = {
    "ok": "near training again",
    "note": "away from training",
    "alarm": "far from training",
}


@dataclass(frozen=True)
class DriftChanges:
    """The position is the state of each active model that was told last; one that was never judged counts as ok."""

    name: str = "drift"

    def collect(self, cursor: Cursor, position: Position | None) -> Collected:
        """See `Source`; of drift that lasts at the first time, people are told."""
        told: dict[str, str] = {} if position is None else position["told"]
        judged = {f"{found.model_type} {found.version}": found for found in last_judged(cursor)}
        changed = [found for model, found in judged.items() if found.state != told.get(model, "ok")]
        states = {model: found.state for model, found in judged.items()}
        return Collected([self._notification(found) for found in changed], {"told": states})

    def _notification(self, found: ActiveDrift) -> Notification:
        features = [(name.strip(), round(psi, 4)) for name, psi in found.features]
        title = f"Traffic of {found.model} is {_MEANING[found.state]}: mean PSI {found.mean_psi:.2f}"
        if found.state != "ok":
            title += ", most in " + ", ".join(name for name, _ in features)
        details = {
            "model_type": found.model_type,
            "model_version": found.version,
            "state": found.state,
            "mean_psi": round(found.mean_psi, 4),
            "features": dict(features),
        }
        times = found.closed_at, found.closed_at
        subject = f"drift of {found.model}"
        severity = _SEVERITY[found.state]
        return Notification(self.name, severity, subject, printable(title, _TITLE_CHARS), 1, *times, details)
