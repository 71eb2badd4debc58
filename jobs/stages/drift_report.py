"""Tells the log of a change of drift."""

from netheal.store.drift import JudgedWindow
from netheal.telemetry import Event, emit

_EVENTS: dict[str, Event] = {"note": "drift.note", "alarm": "drift.alarm", "ok": "drift.over"}


def report_drift(window: JudgedWindow) -> None:
    """One event where a window's state is another than that of the window before it; nothing for a first `ok`."""
    state = window.figures.state
    if state == (window.before or "ok"):
        return
    emit(
        _EVENTS[state],
        window=window.id,
        contract=window.contract_id,
        model=window.version,
        hash=window.bundle_hash,
        rows=window.rows,
        mean_psi=round(window.figures.mean_psi, 4),
        features=window.at_fault,
    )
