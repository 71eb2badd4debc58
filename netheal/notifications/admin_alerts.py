"""Entries of the table `alerts`: what netheal tells an administrator of itself, such as a model that failed."""

from dataclasses import dataclass

from netheal.notifications.source import Collected, Position
from netheal.store.alerts import Alert, alerts_after
from netheal.store.database import Cursor
from netheal.store.notifications import Notification
from netheal.wording import printable

_MOST = 100
_TITLE_CHARS = 300


@dataclass(frozen=True)
class AdminAlerts:
    """Alerts in the order of their ids, which is that of their commits: whoever writes one holds a lock.

    The position is the id of the last one.
    """

    name: str = "alerts"

    def collect(self, cursor: Cursor, position: Position | None) -> Collected:
        """See `Source`."""
        if position is None:
            return Collected((), {"last_id": max((alert.id for alert in alerts_after(cursor, None, 1)), default=0)})
        found = alerts_after(cursor, position["last_id"], _MOST)
        last = found[-1].id if found else position["last_id"]
        return Collected([self._notification(alert) for alert in found], {"last_id": last}, len(found) == _MOST)

    def _notification(self, alert: Alert) -> Notification:
        title = printable(alert.description, _TITLE_CHARS)
        details = {"alert_id": alert.id, "model_id": alert.model_id}
        return Notification(self.name, "error", "netheal's own alerts", title, 1, alert.at, alert.at, details)
