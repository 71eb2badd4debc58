"""How often a stream that fell is begun again."""

import threading
import time
from collections import deque

from netheal.telemetry import emit

_TRIES = 10
_WINDOW_S = 600.0
_LONGEST_PAUSE_S = 30.0


class Backoff:
    """Growing pauses; gives up after too many failures within ten minutes."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque()

    def wait(self, error: Exception, stop: threading.Event) -> bool:
        """Pause before the next try; False where there was one failure too many."""
        now = time.monotonic()
        self._failures.append(now)
        while now - self._failures[0] > _WINDOW_S:
            self._failures.popleft()
        if len(self._failures) > _TRIES:
            return False
        pause_s = min(0.5 * 2 ** (len(self._failures) - 1), _LONGEST_PAUSE_S)
        emit("job.retrying", reason=str(error)[:500], pause_s=pause_s)
        stop.wait(pause_s)
        return True
