"""Requests to stop, by Ctrl-C or SIGTERM: the first one drains for a bounded time, the second one stops at once."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from netheal.shutdown_budget import END_S

UNHURRIED_S = 90.0
"""The same where nobody asked and the order is fulfilled."""


class StopRequests:
    """Takes the signals while it is entered; nothing raises KeyboardInterrupt then."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._requested = threading.Event()
        self._at: float | None = None
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._requested.is_set()

    @property
    def out_of_patience(self) -> bool:
        """Whether rows that wait are to be left to the next start."""
        return self._count > 1 or (self._at is not None and time.monotonic() - self._at > self._drain_s)

    @property
    def left_s(self) -> float:
        """Seconds in which everything is to have ended."""
        if self._at is None:
            return UNHURRIED_S
        left_s = self._at + self._drain_s + END_S - time.monotonic()
        return min(left_s, END_S) if self._count > 1 else left_s

    def pause(self, seconds: float) -> None:
        """Wait that long, or until the first request."""
        if self._requested.is_set():
            time.sleep(seconds)
        else:
            self._requested.wait(seconds)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._at is None:
            self._at = time.monotonic()
        self._requested.set()
