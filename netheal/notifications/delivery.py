"""One channel's way through the outbox: each notification at least once, and none again once it was taken.

1. Read how far the channel is, and what it sent in the last hour.
2. Send the next notification. Where only one more message may be sent and several notifications wait, or many have
   gathered while the channel was away, send a digest of all that wait.
3. Once the channel took it, one transaction notes the message and moves the channel behind it. A kill between 2 and 3
   sends the same message again, under the same id; where more has come meanwhile it may be a digest that includes it.
4. Where it was not taken, note why, and try again later: the pauses double up to `_LONGEST_PAUSE_S`. After
   `_TRIES_BEFORE_OUTAGE` an outage of the channel is recorded, which the other channels tell.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from netheal.background_task import BackgroundTask, Stopped
from netheal.errors import reason_of
from netheal.notifications.channel import Channel, DeliveryFailed
from netheal.notifications.message import Message, digest_of, message_of
from netheal.notifications.rate_limit import RateLimit
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.notifications import (
    ChannelState,
    channel_state,
    next_pending,
    note_failed,
    note_sent,
    pending_groups,
    sent_lately,
    several_pending,
)
from netheal.store.outages import begin_outage, close_outage
from netheal.telemetry import emit

OUTAGE_SUBJECT = "notifications by"
"""Of the outage of a channel, before the channel's name."""
_SEND_S = 45.0
"""A server that dribbles its answer is given up after that, however it goes on."""
_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 300.0
_TRIES_BEFORE_OUTAGE = 3
_FAILURE_CHARS = 300


def outage_subject(channel: str) -> str:
    """Of the outage of a channel.

    >>> outage_subject("webhook")
    'notifications by webhook'
    """
    return f"{OUTAGE_SUBJECT} {channel}"


@dataclass(frozen=True)
class Outgoing:
    """A message, and the notifications that are told with it."""

    message: Message
    first_id: int
    last_id: int


@dataclass
class Delivery:
    """Sends what waits for one channel; on a connection of its own."""

    channel: Channel
    limit: RateLimit
    connection: Connection
    stopped: Callable[[], bool] = lambda: False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def step(self) -> bool:
        """Send one message, if one waits and may be sent now; whether one was taken. Raises ServiceUnavailable."""
        now = self.clock()
        with transaction(self.connection) as cursor:
            state = channel_state(cursor, self.channel.name)
            if state.next_try_at is not None and state.next_try_at > now:
                return False
            outgoing = self._next(cursor, state, now)
        if outgoing is None:
            return False
        try:
            self._send(outgoing.message)
        except DeliveryFailed as failure:
            if self.stopped():  # which is no fault of the channel
                return False
            self._note_failed(str(failure)[:_FAILURE_CHARS])
            return False
        self._note_sent(outgoing)
        return True

    def _next(self, cursor: Cursor, state: ChannelState, now: datetime) -> Outgoing | None:
        first = next_pending(cursor, state.last_id)
        if first is None:
            return None
        budget = self.limit.budget(sent_lately(cursor, self.channel.name, now), now)
        if budget < 1:
            return None
        if several_pending(cursor, state.last_id) and (budget == 1 or state.tries >= _TRIES_BEFORE_OUTAGE):
            first_id, last_id, groups = pending_groups(cursor, state.last_id)
            return Outgoing(digest_of(first_id, last_id, groups), first_id, last_id)
        return Outgoing(message_of(first), first.id, first.id)

    def _send(self, message: Message) -> None:
        limit = time.monotonic() + _SEND_S
        sending = BackgroundTask(f"message to {self.channel.name}", lambda: self.channel.send(message))
        try:
            sending.result(lambda: self.stopped() or time.monotonic() > limit)
        except Stopped:
            raise DeliveryFailed(f"no answer within {_SEND_S:.0f} s") from None
        except DeliveryFailed:
            raise
        except Exception as error:
            raise DeliveryFailed(reason_of(error)) from error

    def _note_sent(self, outgoing: Outgoing) -> None:
        name, now = self.channel.name, self.clock()
        with transaction(self.connection) as cursor:
            note_sent(cursor, name, outgoing.first_id, outgoing.last_id, now)
            close_outage(cursor, outage_subject(name), now)
        emit("notification.sent", channel=name, message_id=outgoing.message.id, kind=outgoing.message.kind)

    def _note_failed(self, failure: str) -> None:
        name, now = self.channel.name, self.clock()
        with transaction(self.connection) as cursor:
            tries = channel_state(cursor, name).tries
            pause = timedelta(seconds=min(_FIRST_PAUSE_S * 2 ** min(tries, 20), _LONGEST_PAUSE_S))
            state = note_failed(cursor, name, failure, now + pause, now)
        emit("notification.failed", channel=name, tries=state.tries, reason=failure)
        if state.tries >= _TRIES_BEFORE_OUTAGE:
            begin_outage(self.connection, outage_subject(name), failure, state.failing_since or now)
