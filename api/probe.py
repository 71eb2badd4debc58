"""A look at a service that may be away: bounded in time, and shared for seconds by everybody who asks."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

from netheal.errors import NethealError, ServiceUnavailable

FRESH_S = 3.0
BOUND_S = 2.0


@dataclass(frozen=True)
class Unavailable:
    """A service that did not answer, and what it was that happened."""

    why: str


class Probe[T]:
    """A look at a service, in a thread of its own: one at a time, so that a service that hangs holds one thread."""

    def __init__(self, service: str, look: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Future[T | Unavailable] | None = None
        self._found: T | Unavailable | None = None
        self._found_at = 0.0

    def ask(self, bound_s: float = BOUND_S) -> T | Unavailable:
        """What was found within the last seconds, or is now; Away where that takes longer than the bound.

        Raises ServiceUnavailable where this process may start no thread, which says nothing about the service.
        """
        with self._lock:
            if self._found is not None and self._clock() - self._found_at < FRESH_S:
                return self._found
            if self._running is None:
                self._running = self._begin()
            running = self._running
        try:
            return running.result(bound_s)
        except NotYet:
            return Unavailable(f"{self._service} does not answer within {bound_s:.0f} s")

    def _begin(self) -> Future[T | Unavailable]:
        running: Future[T | Unavailable] = Future()
        try:
            threading.Thread(target=self._run, args=(running,), daemon=True).start()
        except RuntimeError as error:
            told = f"{self._service} cannot be looked at: {error}; let the API have more, or lower NETHEAL_API_THREADS"
            raise ServiceUnavailable(told) from error
        return running

    def _run(self, running: Future[T | Unavailable]) -> None:
        found: T | Unavailable
        try:
            found = self._look()
        except NethealError as error:
            found = Unavailable(str(error))
        except BaseException as error:
            with self._lock:
                self._running = None
            running.set_exception(error)
            raise
        with self._lock:
            self._found, self._found_at, self._running = found, self._clock(), None
        running.set_result(found)
