"""A call in a thread of its own, whose end is awaited only as long as nobody asks to stop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

_LOOK_S = 0.1


class Stopped(Exception):
    """Somebody asked to stop before the call came back; it is left to itself, and ends with the process."""


class Background[T]:
    """Begun when it is made."""

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        self._call = call
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self, stop: threading.Event) -> T:
        """What the call returns, or raises; raises Stopped once the event is set."""
        while True:
            try:
                return self._future.result(_LOOK_S)
            except NotYet:
                if stop.is_set():
                    raise Stopped from None

    def _run(self) -> None:
        try:
            self._future.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 - whoever awaits the result gets it
            self._future.set_exception(error)
