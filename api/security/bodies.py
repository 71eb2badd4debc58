"""How many requests with a body are handled at once: whoever sends one slowly holds a thread for as long."""

import threading
from collections import Counter
from collections.abc import Callable

from api.errors import Refusal
from netheal.settings import Settings

_RETRY_S = 5


class Bodies:
    """The places of one API, of which a caller gets half, so that one alone shuts nobody out."""

    def __init__(self, settings: Settings) -> None:
        self._most = max(1, min(settings.api_bodies, settings.api_rest_threads // 2))
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, key: str) -> Callable[[], None]:
        """A place for the caller of this rate key, and what gives it back; raises Refusal (503) where none is free."""
        with self._lock:
            own = self._held[key]
            if self._held.total() >= self._most or own >= max(1, self._most // 2):
                who = "you send too many files at once" if own else "others are sending too many files"
                message = f"{who}: try again in {_RETRY_S} s"
                raise Refusal(503, "too_many_bodies", message, headers={"Retry-After": str(_RETRY_S)})
            self._held[key] += 1
        return lambda: self._give_back(key)

    def _give_back(self, key: str) -> None:
        with self._lock:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
