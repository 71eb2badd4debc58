"""Each channel tells everything at least once, no more often than it may, whatever fails in between."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from netheal.notifications import delivery
from netheal.notifications.delivery import Delivery
from netheal.notifications.rate_limit import RateLimit
from netheal.store.database import Connection, transaction
from netheal.store.notifications import ChannelState, Notification, channel_states, register_channels, store_collected
from netheal.store.outages import open_outages
from tests.stack.notifications.conftest import Killed, Recorder

pytestmark = pytest.mark.stack
START = datetime(2024, 12, 1, 12, tzinfo=UTC)


class Bench:
    """A delivery with a clock that the test moves."""

    def __init__(self, connection: Connection, name: str = "webhook") -> None:
        self.connection, self.now, self.channel = connection, START, Recorder(name)
        self.delivery = Delivery(self.channel, RateLimit(5, 60), connection, clock=lambda: self.now)

    def add(self, *subjects: str, n: int = 1, severity: str = "warning") -> None:
        """Notifications into the outbox."""
        found = [
            Notification("alert_actions", severity, subject, f"{subject}: {n} rows", n, self.now, self.now, {})  # type: ignore[arg-type]
            for subject in subjects
        ]
        with transaction(self.connection) as cursor:
            store_collected(cursor, "alert_actions", {}, found, self.now)

    def run(self, seconds: int = 0) -> list[str]:
        """Send what may be sent, a step a second; the titles of what came."""
        before = len(self.channel.messages)
        for _ in range(seconds + 1):
            while self.delivery.step():
                pass
            self.now += timedelta(seconds=1)
        return [message.title for message in self.channel.messages[before:]]


@pytest.fixture
def bench(database: Connection) -> Bench:
    with transaction(database) as cursor:
        register_channels(cursor, ["webhook", "syslog"])
    return Bench(database)


def test_a_few_are_told_one_by_one_and_once(bench: Bench) -> None:
    bench.add("PortScan", "Bot")
    assert bench.run(5) == ["PortScan: 1 rows", "Bot: 1 rows"]
    assert bench.run(600) == []


def test_what_exceeds_the_limit_is_summed_up_in_a_digest_the_gravest_first(bench: Bench) -> None:
    for _ in range(40):
        bench.add("PortScan", "Bot", n=1000)
    bench.add("outage of broker", severity="error")
    told = bench.run(3)
    assert told[:4] == ["PortScan: 1000 rows", "Bot: 1000 rows", "PortScan: 1000 rows", "Bot: 1000 rows"]
    assert told[4:] == ["77 notifications summed up: outage of broker: 1 rows, and 2 other subjects"]
    digest = bench.channel.messages[-1]
    assert (digest.severity, digest.id) == ("error", "5-81")
    assert [(g["subject"], g["n"]) for g in digest.details["groups"]][1:] == [("Bot", 38_000), ("PortScan", 38_000)]
    assert bench.run(120) == []


def test_a_flood_of_an_hour_gives_no_more_than_the_hour_may_have(bench: Bench) -> None:
    told = 0
    for _ in range(60):
        bench.add(*(f"class {i}" for i in range(14)), n=100_000)
        bench.run(58)
    told = len(bench.channel.messages)
    assert 30 <= told <= 60
    counted = sum(m.details.get("notifications", 1) for m in bench.channel.messages)
    bench.run(300)
    counted = sum(m.details.get("notifications", 1) for m in bench.channel.messages)
    assert counted == 60 * 14, "something was told twice, or not at all"


def test_a_channel_that_is_away_is_tried_ever_more_rarely_and_then_told_what_it_missed(bench: Bench) -> None:
    bench.channel.failure = "503"
    bench.add("PortScan")
    assert bench.run(600) == []
    (syslog, webhook) = _states(bench.connection)
    assert (syslog.failed, webhook.failure) == (0, "503") and 8 <= webhook.failed <= 12
    (outage,) = open_outages(bench.connection)
    assert (outage.subject, outage.reason) == ("notifications by webhook", "503")
    bench.add("Bot", "Bot", "Bot")
    bench.channel.failure = ""
    assert bench.run(300) == ["4 notifications summed up: Bot: 1 rows, and 1 other subjects"]
    assert open_outages(bench.connection) == [] and _states(bench.connection)[1].failing_since is None


def test_each_channel_has_a_way_of_its_own(bench: Bench, database: Connection) -> None:
    other = Bench(database, name="syslog")
    bench.channel.failure = "away"
    bench.add("PortScan")
    assert (bench.run(10), other.run(10)) == ([], ["PortScan: 1 rows"])


def test_a_kill_after_the_channel_took_it_repeats_the_message_under_its_id(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed("after it was sent")

    bench.add("PortScan")
    monkeypatch.setattr(delivery, "note_sent", killed)
    with pytest.raises(Killed):
        bench.run()
    monkeypatch.undo()
    assert bench.run(5) == ["PortScan: 1 rows"]
    assert [message.id for message in bench.channel.messages] == ["1", "1"]


def test_a_channel_that_is_new_begins_with_what_comes(bench: Bench, database: Connection) -> None:
    bench.add("PortScan")
    with transaction(database) as cursor:
        register_channels(cursor, ["webhook", "email"])
    mail = Bench(database, name="email")
    assert mail.run(5) == []
    bench.add("Bot")
    assert mail.run(5) == ["Bot: 1 rows"] and bench.run(5) == ["PortScan: 1 rows", "Bot: 1 rows"]
    assert [state.channel for state in _states(database)] == ["email", "webhook"]


def test_a_channel_that_hangs_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netheal.notifications.delivery._SEND_S", 0.3)
    free = threading.Event()
    monkeypatch.setattr(bench.channel, "send", lambda _: free.wait(30))
    bench.add("PortScan")
    assert bench.delivery.step() is False
    free.set()
    assert "no answer" in _states(bench.connection)[1].failure


def test_whatever_a_channel_raises_is_a_failure_and_no_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(_: object) -> None:
        raise UnicodeError("label too long")

    monkeypatch.setattr(bench.channel, "send", odd)
    bench.add("PortScan")
    assert bench.delivery.step() is False
    assert _states(bench.connection)[1].failure == "UnicodeError: label too long"


def _states(connection: Connection) -> list[ChannelState]:
    with transaction(connection) as cursor:
        return channel_states(cursor)
