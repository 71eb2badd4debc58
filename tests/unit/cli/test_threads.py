"""A thread beside the view outlives whatever goes wrong in it, and says so in words."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from netheal.cli import feed as feeding
from netheal.cli import prepare as preparing
from netheal.cli import stream_monitor as watching
from netheal.cli.disk_outage import DiskOutage
from netheal.cli.feed import TrafficFeed
from netheal.cli.prepare import Preparation
from netheal.cli.readback import Run
from netheal.cli.status import Status
from netheal.cli.stream_monitor import StreamMonitor
from netheal.host.disk import DiskSpace, DiskWatch
from netheal.settings import Settings

Eventually = Callable[[Callable[[], object]], None]


class Reader:
    """A status reader that fails as long as the test says so."""

    error: Exception | None = None

    def __init__(self, *_: object) -> None:
        if self.error is not None:
            raise self.error

    def read(self) -> Status:
        if self.error is not None:
            raise self.error
        return Status(lag=7)

    def connection(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def watch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamMonitor]:
    monkeypatch.setattr(watching, "StatusReader", Reader)
    monkeypatch.setattr(watching, "_PAUSE_S", 0.01)
    monkeypatch.setattr(DiskOutage, "write", lambda *_: None)
    made = StreamMonitor(settings)
    made.tables_made()
    yield made
    made.close()


def test_a_disk_that_cannot_be_looked_at_does_not_end_the_watch(
    watch: StreamMonitor, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    def stale(_: object) -> DiskSpace | None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(DiskWatch, "full", stale)
    watch.start()
    eventually(lambda: watch.look.status.lag == 7)


def test_an_unexpected_error_of_a_look_is_shown_and_passes(
    watch: StreamMonitor, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(Reader, "error", ValueError("odd\nand more"))
    watch.start()
    eventually(lambda: watch.look.trouble == "ValueError: odd")
    monkeypatch.setattr(Reader, "error", None)
    eventually(lambda: watch.look.status.lag == 7 and not watch.look.trouble)


def test_an_unexpected_error_of_the_preparation_is_said_and_passes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    run, outcomes = Run({}, {}, 0), [KeyError("flows")]

    def prepare(_: Settings) -> Run:
        if outcomes:
            raise outcomes.pop()
        return run

    monkeypatch.setattr(preparing, "prepare", prepare)
    monkeypatch.setattr(preparing, "_BETWEEN_TRIES_S", 0.1)
    preparation = Preparation(settings, lambda: True)
    preparation.start()
    eventually(lambda: preparation.run is run)
    assert preparation.trouble == "KeyError: 'flows'" and preparation.failure is None


def test_traffic_that_cannot_be_sent_has_not_come_to_its_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    def send(*_: object, **__: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(feeding, "send_messages", send)
    chunks: Iterator[Sequence[bytes]] = iter(())
    feed = TrafficFeed(settings, chunks, None)
    feed.start()
    eventually(lambda: feed.done)
    assert str(feed.failure) == "the traffic cannot be sent: ValueError: odd; the log has more"
