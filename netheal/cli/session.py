"""A running stack from its start to its end: feeds it, shows it, and decides when it is done."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from netheal.cli.feed import TrafficFeed, file_chunks, generated_chunks
from netheal.cli.prepare import Preparation
from netheal.cli.stage import StatusLine, stage_of
from netheal.cli.stop_requests import StopRequests
from netheal.cli.stream_monitor import StreamMonitor
from netheal.cli.up_options import UpOptions
from netheal.cli.view import LiveView
from netheal.embedded.stack import JOB, LocalStack
from netheal.errors import NethealError

DEFAULT_GENERATED_RATE = 500.0
_POLL_INTERVAL_S = 0.25
_LINE_S = 5.0


class Session:
    """Watches a running stack until its order is fulfilled or somebody stops it."""

    def __init__(self, stack: LocalStack, options: UpOptions, stop: StopRequests, console: Console) -> None:
        self.drained = False
        self.feed: TrafficFeed | None = None
        self.preparation = Preparation(stack.settings, lambda: stack.services_ready)
        self._stack = stack
        self._order = options
        self._stop = stop
        self._console = console
        self._view = LiveView()
        self._watch = StreamMonitor(stack.settings)
        self._ends_at: float | None = None
        self._all_sent_at: float | None = None

    @property
    def lag(self) -> int | None:
        """Rows that wait, as far as is known."""
        return self._watch.look.status.lag if self._watch.look.began_at else None

    def run(self) -> None:
        """Show what goes on until all is done; raises the failure of what cannot go on."""
        self.preparation.start()
        self._watch.start()
        try:
            if self._console.is_terminal and not self._order.as_json:
                with Live(self._view, console=self._console, refresh_per_second=4, screen=False):
                    self._until_done(lambda: None)
            else:
                self._until_done(
                    _every(_LINE_S, lambda: self._console.print(self._view.line(), highlight=False, soft_wrap=True))
                )
        finally:
            self.preparation.cancel()
            if self.feed is not None:
                self.feed.stop()
            self._watch.close()

    def _until_done(self, tell: Callable[[], None]) -> None:
        while True:
            self._raise_failures()
            self._begin_feed()
            done = self._look()
            tell()
            if done:
                return
            self._stop.pause(_POLL_INTERVAL_S)

    def _begin_feed(self) -> None:
        """Once there is a topic to send to; a duration counts from then on."""
        if self._ends_at is None and self.preparation.run is not None and not self._stop.requested:
            options = self._order
            self._watch.tables_made()
            self._ends_at = time.monotonic() + options.duration_s if options.duration_s else float("inf")
            self.feed = _feed(self._stack, options, options.files)

    def _look(self) -> bool:
        """Take one look; whether all is done, or no more can be."""
        look = self._watch.look
        stage = stage_of(self._stack.conditions, look, JOB, preparing=self.preparation.trouble)
        self._view.update(look.status, self._stage_shown(stage))
        if not self._ending:
            return False
        if self.preparation.run is None or self._stop.out_of_patience:
            return True
        if self.feed is not None and not self.feed.done:
            self.feed.stop_soon()
            return False
        if self._all_sent_at is None:
            self._all_sent_at = time.monotonic()
        # A lag that began to be read after all was sent is that of all rows.
        self.drained = look.began_at >= self._all_sent_at and look.status.lag == 0 and not look.trouble
        return self.drained or (self._stop.requested and stage.word in ("disk full", "refused"))

    def _stage_shown(self, stage: StatusLine) -> StatusLine:
        if not self._ending or stage.word not in ("running", "starting"):
            return stage
        hint = "; Ctrl-C again stops at once" if self._stop.requested else ""
        lag = "the last rows are sent" if self.lag is None else f"{self.lag:,} rows wait"
        return StatusLine("draining", lag + hint)

    @property
    def _ending(self) -> bool:
        if self._stop.requested or (self._ends_at is not None and time.monotonic() >= self._ends_at):
            return True
        fed = self._ends_at is not None and (self.feed is None or self.feed.done)
        return self._order.drain and fed

    def _raise_failures(self) -> None:
        if self._stop.requested:
            return
        feed_failure = self.feed.failure if self.feed is not None else None
        failure: NethealError | None = self._stack.failure or self.preparation.failure or feed_failure
        if failure is not None:
            raise failure


def _feed(stack: LocalStack, options: UpOptions, files: Sequence[Path]) -> TrafficFeed | None:
    if not options.traffic:
        return None
    if files:
        feed = TrafficFeed(stack.settings, file_chunks(files), options.rate_per_s)
    else:
        rate = options.rate_per_s or DEFAULT_GENERATED_RATE
        feed = TrafficFeed(stack.settings, generated_chunks(rate, int(time.time()), options.duration_s), rate)
    feed.start()
    return feed


def _every(seconds: float, tell: Callable[[], None]) -> Callable[[], None]:
    """`tell`, but not more often than that."""
    due = threading.local()

    def maybe() -> None:
        if time.monotonic() >= getattr(due, "at", 0.0):
            tell()
            due.at = time.monotonic() + seconds

    return maybe
