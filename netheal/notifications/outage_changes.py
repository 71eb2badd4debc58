"""Outages, when they begin and when they end."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from netheal.notifications.source import Collected, Position
from netheal.store.database import Cursor
from netheal.store.notifications import Notification, Severity
from netheal.store.outages import Outage, outages_to_tell
from netheal.wording import printable

_LOOK_BACK = 200
"""Several processes write outages, so that a lower id may be committed after a higher one: so far back is looked."""
_TITLE_CHARS = 300
_BEGAN, _ENDED = "began", "ended"


@dataclass(frozen=True)
class OutageChanges:
    """The position is the id of each outage that was looked at lately, and what was told of it last."""

    name: str = "outages"

    def collect(self, cursor: Cursor, position: Position | None) -> Collected:
        """See `Source`; of what lasts at the first time, people are told."""
        told: dict[str, str] = {} if position is None else position["told"]
        going_on = [int(name) for name, state in told.items() if state == _BEGAN]
        past = max(map(int, told), default=0) - _LOOK_BACK
        found, notifications = dict(told), []
        for outage in outages_to_tell(cursor, past, going_on):
            state = _BEGAN if outage.ended_at is None else _ENDED
            known = told.get(str(outage.id))
            found[str(outage.id)] = state
            if state != known and not (position is None and state == _ENDED):
                notifications.append(self._notification(outage, known))
        newest = max(map(int, found), default=0)
        kept = {name: state for name, state in found.items() if state == _BEGAN or int(name) > newest - _LOOK_BACK}
        return Collected(notifications, {"told": kept})

    def _notification(self, outage: Outage, known: str | None) -> Notification:
        subject = printable(outage.subject, _TITLE_CHARS)
        details: dict[str, Any] = {"outage_id": outage.id, "subject": subject}
        if outage.ended_at is None:
            title = f"Outage of {subject} began: {outage.reason}"
        elif known == _BEGAN:
            title = f"Outage of {subject} is over after {_lasted(outage.started_at, outage.ended_at)}"
        else:
            lasted = _lasted(outage.started_at, outage.ended_at)
            title = f"Outage of {subject} lasted {lasted} and is over: {outage.reason}"
        severity: Severity = "error" if outage.ended_at is None else "info"
        times = outage.started_at, outage.ended_at or outage.started_at
        return Notification(
            self.name, severity, f"outage of {subject}", printable(title, _TITLE_CHARS), 1, *times, details
        )


def _lasted(start: datetime, end: datetime) -> str:
    """In hours, minutes and seconds."""
    seconds = round((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
