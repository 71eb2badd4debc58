"""The outbox of notifications: what is to be told, how far each source and each channel is, what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg2.extras import Json, execute_values

from netheal.store.database import Cursor

Severity = Literal["info", "warning", "error"]
_KEPT = timedelta(days=7)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Notification:
    """What people have to know: `n` things of a subject from `first_at` to `last_at`. `id` is 0 before it is stored.

    `details` are plain values for programs, by name.
    """

    source: str
    severity: Severity
    subject: str
    title: str
    n: int
    first_at: datetime
    last_at: datetime
    details: dict[str, Any]
    id: int = 0


@dataclass(frozen=True)
class PendingGroup:
    """Notifications of one source and subject that a channel has not told yet, added up."""

    source: str
    subject: str
    severity: Severity
    notifications: int
    n: int
    first_at: datetime
    last_at: datetime
    title: str


@dataclass(frozen=True)
class ChannelState:
    """How a channel is. `last_id` is the notification that it has told last, `tries` how often the next one failed."""

    channel: str
    last_id: int
    sent: int
    failed: int
    tries: int
    failing_since: datetime | None
    failure: str
    next_try_at: datetime | None


def read_position(cursor: Cursor, source: str) -> dict[str, Any] | None:
    """Up to where a source was collected; None before the first time."""
    cursor.execute("select position from notification_sources where source = %s", (source,))
    row = cursor.fetchone()
    return None if row is None else dict(row[0])


def store_collected(
    cursor: Cursor, source: str, position: dict[str, Any], found: Sequence[Notification], now: datetime
) -> None:
    """Put notifications into the outbox, and note that the source was collected up to there."""
    rows = [(f.source, f.severity, f.subject, f.title, f.n, f.first_at, f.last_at, Json(f.details)) for f in found]
    if rows:
        execute_values(
            cursor,
            "insert into notifications (source, severity, subject, title, n, first_at, last_at, details) values %s",
            rows,
        )
    cursor.execute(
        "insert into notification_sources (source, position, collected_at) values (%s, %s, %s)"
        " on conflict (source) do update set position = excluded.position, collected_at = excluded.collected_at",
        (source, Json(position), now),
    )


def register_channels(cursor: Cursor, channels: Sequence[str]) -> None:
    """Begin with the next notification for channels that are new; forget those that are not used any more."""
    cursor.execute("delete from notification_channels where channel <> all(%s)", (list(channels),))
    for channel in channels:
        cursor.execute(
            "insert into notification_channels (channel, last_id)"
            " select %s, coalesce(max(id), 0) from notifications on conflict do nothing",
            (channel,),
        )


def channel_states(cursor: Cursor) -> list[ChannelState]:
    """All channels that are used."""
    cursor.execute(f"{_CHANNELS} order by channel")
    return [ChannelState(*row) for row in cursor.fetchall()]


def channel_state(cursor: Cursor, channel: str) -> ChannelState:
    """One of them; raises LookupError where it is not registered."""
    cursor.execute(f"{_CHANNELS} where channel = %s", (channel,))
    row = cursor.fetchone()
    if row is None:
        raise LookupError(f"channel {channel} is not registered")
    return ChannelState(*row)


def several_pending(cursor: Cursor, last_id: int) -> bool:
    """Whether there is more than one notification behind `last_id`."""
    cursor.execute("select count(*) from (select from notifications where id > %s limit 2) pending", (last_id,))
    return cursor.fetchone() == (2,)


def next_pending(cursor: Cursor, last_id: int) -> Notification | None:
    """The first notification behind `last_id`."""
    cursor.execute(
        "select source, severity, subject, title, n, first_at, last_at, details, id from notifications"
        " where id > %s order by id limit 1",
        (last_id,),
    )
    row = cursor.fetchone()
    return None if row is None else Notification(*row)


def pending_groups(cursor: Cursor, last_id: int) -> tuple[int, int, list[PendingGroup]]:
    """The ids of the first and the last notification behind `last_id`, and all of them added up, the gravest first."""
    cursor.execute("select min(id), max(id) from notifications where id > %s", (last_id,))
    first, last = cursor.fetchone() or (0, 0)
    cursor.execute(_GROUPS, (last_id, last))
    return first, last, [PendingGroup(*row) for row in cursor.fetchall()]


def sent_lately(cursor: Cursor, channel: str, now: datetime) -> list[datetime]:
    """When the channel's messages of the last hour were sent, the oldest first."""
    cursor.execute(
        "select sent_at from notification_messages where channel = %s and sent_at > %s order by sent_at",
        (channel, now - _HOUR),
    )
    return [at for (at,) in cursor.fetchall()]


def note_sent(cursor: Cursor, channel: str, first_id: int, last_id: int, now: datetime) -> None:
    """A message with these notifications was taken by the channel."""
    cursor.execute(
        "insert into notification_messages (channel, sent_at, first_id, last_id) values (%s, %s, %s, %s)",
        (channel, now, first_id, last_id),
    )
    cursor.execute(
        "update notification_channels set last_id = greatest(last_id, %s), sent = sent + 1, tries = 0,"
        " failing_since = null, failure = '', next_try_at = null where channel = %s",
        (last_id, channel),
    )


def note_failed(cursor: Cursor, channel: str, failure: str, next_try_at: datetime, now: datetime) -> ChannelState:
    """A message was not taken; the channel's state from now on."""
    cursor.execute(
        "update notification_channels set failed = failed + 1, tries = tries + 1, failure = %s, next_try_at = %s,"
        " failing_since = coalesce(failing_since, %s) where channel = %s",
        (failure, next_try_at, now, channel),
    )
    return channel_state(cursor, channel)


def prune(cursor: Cursor, now: datetime) -> None:
    """Delete what every channel has told, once it is old."""
    cursor.execute(
        "delete from notifications where created_at < %s"
        " and id <= (select coalesce(min(last_id), 0) from notification_channels)",
        (now - _KEPT,),
    )
    cursor.execute("delete from notification_messages where sent_at < %s", (now - _KEPT,))


_CHANNELS = (
    "select channel, last_id, sent, failed, tries, failing_since, failure, next_try_at from notification_channels"
)
_GROUPS = """
select source, subject, (array['info', 'warning', 'error'])[max(rank)] as severity, count(*), sum(n)::bigint,
    min(first_at), max(last_at), (array_agg(title order by id desc))[1]
from (
    select *, array_position(array['info', 'warning', 'error'], severity) as rank
    from notifications where id > %s and id <= %s
) pending
group by source, subject order by max(rank) desc, sum(n) desc, source, subject
"""
