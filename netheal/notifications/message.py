"""What a channel sends: one notification, or a digest of many, as lines for people and as JSON for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from netheal.store.notifications import Notification, PendingGroup, Severity

_MOST_GROUPS = 20
Kind = Literal["notification", "digest", "test"]


@dataclass(frozen=True)
class Message:
    """`title` is one line, `lines` are what follows it; nothing in them can break a line, or a header.

    `id` is the same each time that the message is tried, so that a receiver can drop a repetition.
    """

    id: str
    kind: Kind
    severity: Severity
    title: str
    lines: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join([self.title, *self.lines])

    def document(self) -> dict[str, Any]:
        """As a JSON object; chat services show its `text`."""
        plain = {"id": self.id, "kind": self.kind, "severity": self.severity, "title": self.title, "text": self.text}
        return {**plain, "details": self.details}


def message_of(notification: Notification) -> Message:
    """The message of one notification."""
    of = notification
    facts = {
        "source": of.source,
        "subject": of.subject,
        "n": of.n,
        "first_at": _moment(of.first_at),
        "last_at": _moment(of.last_at),
    }
    lines = tuple(_lines(of))
    return Message(str(of.id), "notification", of.severity, of.title, lines, {**facts, **of.details})


def digest_of(first_id: int, last_id: int, groups: Sequence[PendingGroup]) -> Message:
    """One message for all notifications from an id to another, added up by subject, the gravest first."""
    count = sum(group.notifications for group in groups)
    lines = [_line(group) for group in groups[:_MOST_GROUPS]]
    if len(groups) > _MOST_GROUPS:
        lines.append(f"and {len(groups) - _MOST_GROUPS} other subjects")
    title = f"{count:,} notifications summed up: {groups[0].title}"
    title += f", and {len(groups) - 1} other subjects" if len(groups) > 1 else ""
    details = [
        {
            "source": group.source,
            "subject": group.subject,
            "severity": group.severity,
            "notifications": group.notifications,
            "n": group.n,
            "first_at": _moment(group.first_at),
            "last_at": _moment(group.last_at),
        }
        for group in groups[:_MOST_GROUPS]
    ]
    facts = {"notifications": count, "subjects": len(groups), "groups": details}
    return Message(f"{first_id}-{last_id}", "digest", groups[0].severity, title, tuple(lines), facts)


def self_test_message(now: datetime) -> Message:
    """What `netheal notify --test` sends."""
    title = "netheal: this is a test, nothing has happened"
    return Message(f"test-{now.timestamp():.0f}", "test", "info", title, (f"sent {_moment(now)}",))


def _lines(of: Notification) -> Iterator[str]:
    details = of.details
    if details.get("model"):
        yield f"model: {details['model']}"
    yield f"first: {_moment(of.first_at)}"
    if of.last_at != of.first_at:
        yield f"last: {_moment(of.last_at)}"
    for name in ("source", "target"):
        if details.get(f"{name}s"):
            top = details[f"top_{name}"]
            yield f"{name}s: {details[f'{name}s']:,}" + (f", the most frequent is {top}" if top else "")
    if details.get("example_ids"):
        ids = details["example_ids"]
        yield f"examples: {', '.join(map(str, ids))} (netheal verify {ids[0]})"
    if details.get("link"):
        yield f"dashboard: {details['link']}"
        yield f"rows: {details['rows_link']}"


def _line(group: PendingGroup) -> str:
    if group.notifications == 1:
        return group.title
    span = f"first {_moment(group.first_at)}, last {_moment(group.last_at)}"
    return f"{group.subject}: {group.n:,} in {group.notifications:,} notifications, {span}; the last: {group.title}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
