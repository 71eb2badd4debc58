"""Rows of the stream whose action is `alert_admin`: one notification a class and model for all that came meanwhile."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode

from netheal.contracts import attack_classes
from netheal.notifications.source import Collected, Position
from netheal.store.alerted_rows import AlertedRows, OffsetSpan, count_alerted_rows, done_by_topic_id
from netheal.store.database import Cursor
from netheal.store.notifications import Notification

_MOST_OFFSETS = 500_000
"""Of a partition at once: what has gathered while nobody collected is read piece by piece."""


@dataclass(frozen=True)
class AlertActions:
    """The input topic's rows, by the offsets that the ledger calls done; rows of uploads and replays are not told.

    `link_url` is the dashboard's, empty for no links. The position is topic id -> partition -> offset.
    """

    topic: str
    link_url: str = ""
    name: str = "alert_actions"

    def collect(self, cursor: Cursor, position: Position | None) -> Collected:
        """See `Source`."""
        spans, reached, more = [], {}, False
        for topic_id, (base, done) in done_by_topic_id(cursor, self.topic).items():
            told = done if position is None else position.get(topic_id, {})
            # A ledger that was taken back, by a rebuilt checkpoint, gives the same rows again.
            ahead = {name: end for name, end in done.items() if end > told.get(name, 0)}
            ends = {name: min(end, told.get(name, 0) + _MOST_OFFSETS) for name, end in ahead.items()}
            spans += [OffsetSpan(int(name), base + told.get(name, 0), base + end) for name, end in ends.items()]
            reached[topic_id] = told | ends
            more = more or ends != ahead
        if not spans:
            return Collected((), reached, more)
        found = count_alerted_rows(cursor, spans)
        return Collected([self._notification(rows) for rows in found], reached, more)

    def _notification(self, rows: AlertedRows) -> Notification:
        name = None if rows.attack_class_id is None else attack_classes().names[rows.attack_class_id]
        subject = _found_by_score(name) if name is None or name == attack_classes().benign else name
        details: dict[str, Any] = {
            "class": name,
            "model": rows.model_version,
            "sources": rows.sources,
            "targets": rows.targets,
            "top_source": _address(rows.top_source),
            "top_target": _address(rows.top_target),
            "example_ids": rows.examples,
        }
        if self.link_url:
            details |= self._links(rows)
        title = f"{subject}: {_counted(rows.rows, 'row')} from {_counted(rows.sources, 'address', 'addresses')}"
        key = f"{subject}, {rows.model_version or 'no model'}"
        return Notification(self.name, "warning", key, title, rows.rows, rows.first_at, rows.last_at, details)

    def _links(self, rows: AlertedRows) -> dict[str, str]:
        """The dashboard with these rows' class chosen and the newest of them open, and all of them from the API."""
        chosen = {} if rows.attack_class_id is None else {"class": attack_classes().names[rows.attack_class_id]}
        of_page = chosen | {"row": str(rows.examples[0])}
        of_list = chosen | {
            "action": "alert_admin",
            "since": _moment(rows.first_at),
            "until": _moment(rows.last_at + timedelta(seconds=1)),
        }
        base = self.link_url.rstrip("/")
        return {
            "link": f"{base}/?{urlencode(of_page, quote_via=quote)}",
            "rows_link": f"{base}/api/v1/predictions?{urlencode(of_list, quote_via=quote)}",
        }


def _found_by_score(name: str | None) -> str:
    """What only the threat detector calls an attack."""
    return "attack of unknown class" if name is None else f"attack that the classifier calls {name}"


def _counted(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def _address(text: str | None) -> str | None:
    """Only what is an address is told: a sensor may have been given any text."""
    try:
        return None if text is None or "%" in text else str(ip_address(text))
    except ValueError:
        return None


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
