"""Tells people of alerts and outages: `netheal notify`, or `python -m jobs.notify`, until SIGTERM.

Exit status 2: it refuses to start, and the last line on stderr says why in one sentence.
"""

import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jobs.command_line import logging_settings
from netheal.embedded.running import named_postgres
from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.notifications.channel import Channel, DeliveryFailed
from netheal.notifications.channels import channels_of
from netheal.notifications.message import self_test_message
from netheal.notifications.notifier import Notifier
from netheal.settings import Settings
from netheal.store.database import migrate
from netheal.telemetry import emit

_FAILED_STATUS = 1
_REFUSED_STATUS = 2
_AWAY_S = 2.0


def send_test(channels: Sequence[Channel]) -> int:
    """Send a test message by each channel and print what came of it; the exit status, 1 where one failed."""
    message, failed = self_test_message(datetime.now(UTC)), 0
    for channel in channels:
        try:
            channel.send(message)
            print(f"{channel.name}: sent")
        except DeliveryFailed as failure:
            failed += 1
            print(f"{channel.name}: failed: {failure}")
    return _FAILED_STATUS if failed else 0


def notify(settings: Settings, channels: Sequence[Channel]) -> int:
    """Notify until SIGTERM or SIGINT; the exit status."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    named = named_postgres(settings)
    while not stop.is_set():
        try:
            migrate(named.postgres.dsn.get_secret_value())
            break
        except ServiceUnavailable as error:
            emit("notification.store_away", reason=str(error))
            stop.wait(_AWAY_S)
    Notifier(named, channels, stop).run()
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="netheal notify", description="Tell people of alerts and outages, until it is ended.")
    parser.add_argument("--test", action="store_true", help="send a test message by each channel, and end")
    parser.add_argument("--var", type=Path, metavar="DIR", help="folder of all data, logs and state")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point."""
    options = _parser().parse_args(arguments)
    try:
        settings = logging_settings(options.var)
        channels = channels_of(settings.notify)
        if not channels:
            raise SettingsError(
                "no channel is set, so nobody would be notified: set NETHEAL_NOTIFY_WEBHOOK_URL,"
                " NETHEAL_NOTIFY_EMAIL_SERVER or NETHEAL_NOTIFY_SYSLOG_URL"
            )
        return send_test(channels) if options.test else notify(settings, channels)
    except NethealError as error:
        print(f"netheal: {error}", file=sys.stderr)
        return _REFUSED_STATUS


if __name__ == "__main__":
    sys.exit(main())
