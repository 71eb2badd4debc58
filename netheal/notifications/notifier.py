"""The process that tells people: one leader on a database collects and sends, others stand by."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from netheal.errors import ServiceUnavailable
from netheal.notifications.admin_alerts import AdminAlerts
from netheal.notifications.alert_actions import AlertActions
from netheal.notifications.channel import Channel
from netheal.notifications.collection import collect
from netheal.notifications.delivery import OUTAGE_SUBJECT, Delivery, outage_subject
from netheal.notifications.drift_changes import DriftChanges
from netheal.notifications.outage_changes import OutageChanges
from netheal.notifications.rate_limit import RateLimit
from netheal.notifications.source import Source
from netheal.settings import Settings
from netheal.store.advisory_lock import take_lock
from netheal.store.database import Connection, connect, transaction
from netheal.store.notifications import register_channels
from netheal.store.outages import end_outage, open_outages
from netheal.telemetry import emit

LOCK = "netheal-notify"
_STANDBY_S = 5.0
_AWAY_S = 2.0
_POLL_INTERVAL_S = 1.0
_STATEMENT_S = 60.0
_END_S = 5.0


def sources_of(settings: Settings) -> list[Source]:
    """Everything that people are told of."""
    rows = AlertActions(settings.stream.input_topic, settings.notify.link_url)
    return [rows, AdminAlerts(), OutageChanges(), DriftChanges()]


class Notifier:
    """Collects in the caller's thread, and sends in one thread a channel, until `stop` is set."""

    def __init__(self, settings: Settings, channels: Sequence[Channel], stop: threading.Event) -> None:
        self._dsn = settings.postgres.dsn.get_secret_value()
        self._window_s = settings.notify.window_s
        self._limit = RateLimit(settings.notify.per_minute, settings.notify.per_hour)
        self._sources = sources_of(settings)
        self._channels = channels
        self._stop = stop
        self._failure: Exception | None = None

    def run(self) -> None:
        """Return once stopped; Postgres may come and go."""
        while not self._stop.is_set():
            try:
                self._lead_or_stand_by()
            except ServiceUnavailable as error:
                emit("notification.store_away", reason=str(error))
                self._stop.wait(_AWAY_S)

    def _lead_or_stand_by(self) -> None:
        connection = self._connect()
        try:
            told = False
            while not take_lock(connection, LOCK, patience_s=0.0):
                if not told:
                    emit("notification.standby", reason="another process on this database notifies")
                told = True
                if self._stop.wait(_STANDBY_S):
                    return
            self._lead(connection)
        finally:
            connection.close()

    def _lead(self, connection: Connection) -> None:
        """The connection holds the lock: where it breaks, nothing is collected any more, and the senders are ended."""
        self._register(connection)
        ended = threading.Event()
        senders = [
            threading.Thread(target=self._send_until, args=(channel, ended), name=f"sender to {channel.name}")
            for channel in self._channels
        ]
        for sender in senders:
            sender.daemon = True
            sender.start()
        try:
            while True:
                collect(connection, self._sources, datetime.now(UTC))
                if self._stop.wait(self._window_s):
                    return
                if self._failure is not None:
                    raise self._failure
        finally:
            ended.set()
            for sender in senders:
                sender.join(_END_S)

    def _register(self, connection: Connection) -> None:
        """The channels; those that are not used any more cannot be away."""
        names = [channel.name for channel in self._channels]
        with transaction(connection) as cursor:
            register_channels(cursor, names)
        used = {outage_subject(name) for name in names}
        for outage in open_outages(connection):
            if outage.subject.startswith(OUTAGE_SUBJECT) and outage.subject not in used:
                end_outage(connection, outage.subject, datetime.now(UTC))

    def _send_until(self, channel: Channel, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self._send(channel, ended)
            except ServiceUnavailable as error:
                emit("notification.store_away", channel=channel.name, reason=str(error))
                ended.wait(_AWAY_S)
            except Exception as error:  # noqa: BLE001 - the other thread raises it, and the process is started again
                self._failure = error
                return

    def _send(self, channel: Channel, ended: threading.Event) -> None:
        connection = self._connect()
        try:
            delivery = Delivery(channel, self._limit, connection, ended.is_set)
            while not ended.is_set():
                if not delivery.step():
                    ended.wait(_POLL_INTERVAL_S)
        finally:
            connection.close()

    def _connect(self) -> Connection:
        return connect(self._dsn, statement_timeout_s=_STATEMENT_S)
