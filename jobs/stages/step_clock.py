"""How long the steps of one micro-batch take, one after another."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Step = Literal["pin", "score", "commit", "close"]


class StepClock:
    """`seconds` of each step that is over, by its name; `current` is the step that runs, or that failed."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self.current: Step = "pin"
        self._now = now

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Time what runs inside."""
        self.current = name
        began = self._now()
        yield
        self.seconds[name] = self._now() - began
