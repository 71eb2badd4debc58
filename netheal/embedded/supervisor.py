"""Keeps one child up: starts it, and starts it again whenever it ended, until told to stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from netheal.errors import NethealError, reason_of
from netheal.host.child import Cancelled
from netheal.telemetry import emit

_POLL_INTERVAL_S = 0.25
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_STEADY_S = 60.0
"""A child that lived that long is started again at once."""

Stage = Literal["waiting", "starting", "ready", "down", "failed"]


@dataclass(frozen=True)
class ChildState:
    """How a child is: `reason` says why it is not ready, `since` is a time of `time.time()`."""

    stage: Stage
    since: float
    reason: str = ""


@dataclass(frozen=True)
class SupervisedChild:
    """What is kept up.

    `start` returns once it is ready, and raises where it does not become so, Cancelled once the event is set.
    `refusal` says, of one that ended, why it must not be started again, or nothing.
    """

    name: str
    start: Callable[[threading.Event], None]
    alive: Callable[[], bool]
    refusal: Callable[[], NethealError | None] = lambda: None


class Supervisor:
    """A thread for one child.

    A first start that fails is a failure of the whole: something is wrong with the machine or the settings. After it
    was ready once, a child is started again for as long as it takes, with bounded pauses.
    """

    def __init__(self, child: SupervisedChild, fail: Callable[[NethealError], None]) -> None:
        self._child = child
        self._fail = fail
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._pause_s = _FIRST_PAUSE_S
        self._started_at = 0.0
        self.condition = ChildState("waiting", time.time())
        self._thread = threading.Thread(target=self._run, name=f"supervisor of {child.name}", daemon=True)

    @property
    def name(self) -> str:
        """Of the child."""
        return self._child.name

    @property
    def ready(self) -> bool:
        """Whether it serves now, as far as is known."""
        return self.condition.stage == "ready" and self._child.alive()

    def start(self) -> None:
        """Begin to keep it up; returns at once."""
        self._thread.start()

    def end(self) -> None:
        """Start it no more; returns at once, and the child stays as it is."""
        self._ending.set()

    def join(self, bound_s: float) -> None:
        """Wait until nothing is started any more."""
        if self._thread.is_alive():
            self._thread.join(bound_s)

    def wait_ready(self, deadline_s: float) -> bool:
        """Whether it was ready once within the time."""
        return self._ready.wait(deadline_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                if not self._child.alive():
                    if self._refused():
                        return
                    self._bring_up()
            except Exception as error:  # noqa: BLE001 - a supervisor that ends restarts nothing
                self._not_started(error)
            self._ending.wait(_POLL_INTERVAL_S)

    def _refused(self) -> bool:
        """Note how it ended; whether it must not be started again."""
        if self.condition.stage != "ready":
            return False
        refusal = self._child.refusal()
        self._set("down" if refusal is None else "failed", str(refusal or f"{self.name} ended"))
        emit("child.died", child=self.name, reason=self.condition.reason)
        if refusal is not None:
            self._fail(refusal)
            return True
        if time.monotonic() - self._started_at < _STEADY_S:
            self._pause()
        else:
            self._pause_s = _FIRST_PAUSE_S
        return False

    def _bring_up(self) -> None:
        if self._ending.is_set():
            return
        if not self._ready.is_set():
            self._set("starting")
        try:
            self._child.start(self._ending)
        except Cancelled:
            return
        self._started_at = time.monotonic()
        self._set("ready")
        self._ready.set()

    def _not_started(self, error: Exception) -> None:
        expected = isinstance(error, NethealError | OSError)
        emit("child.not_started", child=self.name, reason=reason_of(error), exc_info=None if expected else error)
        if not self._ready.is_set() and isinstance(error, NethealError):
            self._set("failed", str(error))
            self._fail(error)
            self._ending.set()
            return
        self._set("down", str(error) if expected else reason_of(error))
        self._pause()

    def _pause(self) -> None:
        self._ending.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _set(self, stage: Stage, reason: str = "") -> None:
        since = self.condition.since if self.condition.stage == stage else time.time()
        self.condition = ChildState(stage, since, reason)
