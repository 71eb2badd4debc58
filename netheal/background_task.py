"""A call in a daemon thread of its own, whose end is awaited only as long as the caller likes.

Other than that of a ThreadPoolExecutor, which the interpreter joins as it ends, the thread holds no process up.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

_POLL_INTERVAL_S = 0.1


class Stopped(Exception):
    """The caller gave the call up before it came back; it is left to itself, and ends with the process."""


class BackgroundTask[T]:
    """Begun when it is made."""

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        self._call = call
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self, given_up: Callable[[], bool] = lambda: False) -> T:
        """What the call returns, or raises; raises Stopped once `given_up()` holds."""
        while True:
            try:
                return self._future.result(_POLL_INTERVAL_S)
            except NotYet:
                if self._future.done():  # the call itself raised a TimeoutError
                    raise
                if given_up():
                    raise Stopped from None

    def _run(self) -> None:
        try:
            self._future.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 - whoever awaits the result gets it
            self._future.set_exception(error)
