"""How long a stream that fell waits before it is begun again."""

import threading
import time
from collections import deque

from netheal.telemetry import emit

_WINDOW_S = 600.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_DOUBLINGS = 10


class Backoff:
    """Pauses that grow with the failures of the last ten minutes, up to half a minute; it never gives up."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque()

    def wait(self, reason: str, stop: threading.Event) -> None:
        """Pause before the next try, or until somebody stops the job."""
        now = time.monotonic()
        self._failures.append(now)
        while now - self._failures[0] > _WINDOW_S:
            self._failures.popleft()
        doublings = min(len(self._failures) - 1, _MOST_DOUBLINGS)
        pause_s = min(_FIRST_PAUSE_S * 2**doublings, _LONGEST_PAUSE_S)
        emit("job.retrying", reason=reason, pause_s=pause_s)
        stop.wait(pause_s)
