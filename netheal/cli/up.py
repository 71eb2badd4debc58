"""`netheal up`: the whole of netheal on one machine, with traffic and a live view."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from netheal.cli.feed import Feed, file_chunks, generated_chunks
from netheal.cli.preflight import preflight
from netheal.cli.readback import Run
from netheal.cli.report import Report, drained_report
from netheal.cli.status import StatusReader, end_offsets, topic_reader
from netheal.cli.view import LiveView
from netheal.embedded.stack import LocalStack
from netheal.errors import NethealError, ServiceUnavailable
from netheal.settings import Settings
from netheal.store.database import connect, migrate
from netheal.store.topics import settle_topic
from netheal.traffic.topics import ensure_stream_topics, topic_id

GENERATED = "generated"
DEFAULT_GENERATED_RATE = 500.0
_LOOK_S = 0.5
_LINE_S = 5.0


@dataclass(frozen=True)
class Order:
    """What the person asked for. `traffic`: `generated`, or files, or nothing."""

    traffic: tuple[str, ...]
    rate_per_s: float | None
    duration_s: float | None
    drain: bool
    as_json: bool
    api: bool = True


def up(settings: Settings, order: Order) -> int:
    """Start everything, feed it, show it, and stop it; the exit status."""
    console = Console(stderr=order.as_json)
    files = [Path(name) for name in order.traffic if name != GENERATED]
    for path in files:
        if not path.is_file():
            raise ServiceUnavailable(f"there is no file {path}")
    preflight(settings if order.api else settings.model_copy(update={"api_port": 0}))
    with _stop_requests() as stop, LocalStack(settings, console.print) as stack:
        run = _prepare(stack.settings)
        if order.api:
            stack.start_api()
        stack.start_job()
        feed = _feed(stack.settings, order, files)
        session = _Session(stack, feed, order, stop, console)
        session.watch()
        if session.drained:
            stack.stop_job()
            _print_report(drained_report(stack.settings, run, feed.sent if feed else 0), order, console)
    return 0 if not order.drain or session.drained else 1


def _prepare(settings: Settings) -> Run:
    """Migrate, make the topics, and note where they end before this run."""
    dsn = settings.postgres_dsn.get_secret_value()
    migrate(dsn)
    servers, options = settings.kafka_bootstrap_servers, settings.kafka_options
    ensure_stream_topics(settings)
    connection, reader = connect(dsn), topic_reader(settings)
    try:
        topic = settle_topic(connection, settings.input_topic, topic_id(servers, settings.input_topic, options))
        ends = end_offsets(reader, settings.input_topic), end_offsets(reader, settings.output_topic)
        return Run(*ends, topic.offset_base)
    finally:
        connection.close()
        reader.close()


def _feed(settings: Settings, order: Order, files: Sequence[Path]) -> Feed | None:
    if not order.traffic:
        return None
    if files:
        feed = Feed(settings, file_chunks(files), order.rate_per_s)
    else:
        rate = order.rate_per_s or DEFAULT_GENERATED_RATE
        seed = int(time.time())
        feed = Feed(settings, generated_chunks(rate, seed, order.duration_s), rate)
    feed.start()
    return feed


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """Watches a running stack until its order is fulfilled or somebody stops it."""

    def __init__(
        self, stack: LocalStack, feed: Feed | None, order: Order, stop: threading.Event, console: Console
    ) -> None:
        self.drained = False
        self._stack = stack
        self._feed = feed
        self._order = order
        self._stop = stop
        self._console = console
        self._view = LiveView()
        self._ends_at = time.monotonic() + order.duration_s if order.duration_s else None

    def watch(self) -> None:
        """Show the status until all is done."""
        reader = StatusReader(self._stack.settings)
        try:
            if self._console.is_terminal and not self._order.as_json:
                with Live(self._view, console=self._console, refresh_per_second=4, screen=False):
                    self._until_done(reader, lines=False)
            else:
                self._until_done(reader, lines=True)
        finally:
            if self._feed is not None:
                self._feed.stop()
            reader.close()

    def _until_done(self, reader: StatusReader, lines: bool) -> None:
        line_due = time.monotonic()
        while True:
            self._raise_failures()
            if self._look(reader):
                return
            if lines and time.monotonic() >= line_due:
                self._console.print(self._view.line(), highlight=False)
                line_due = time.monotonic() + _LINE_S
            self._stop.wait(_LOOK_S) if not self._stop.is_set() else time.sleep(_LOOK_S)

    def _look(self, reader: StatusReader) -> bool:
        """Take one look; whether all is done. A lag that was read after the feed was done is that of all rows."""
        sent = self._feed is None or self._feed.done
        try:
            status = reader.read()
        except ServiceUnavailable:
            self._view.state = "waiting for a service"
            return False
        self._view.update(status)
        if not self._ending:
            self._view.state = "running" if status.batches else "starting"
            return False
        self._view.state = "draining"
        if self._feed is not None and not sent:
            threading.Thread(target=self._feed.stop, daemon=True).start()
            return False
        self.drained = status.lag == 0
        return self.drained

    @property
    def _ending(self) -> bool:
        if self._stop.is_set() or (self._ends_at is not None and time.monotonic() >= self._ends_at):
            return True
        return self._order.drain and (self._feed is None or self._feed.done)

    def _raise_failures(self) -> None:
        failure: NethealError | None = self._stack.failure
        if failure is None and self._feed is not None:
            failure = self._feed.failure
        if failure is not None:
            raise failure


def _print_report(report: Report, order: Order, console: Console) -> None:
    if order.as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    elif order.drain or order.duration_s:
        console.print_json(json.dumps(report, ensure_ascii=False))
