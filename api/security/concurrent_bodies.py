"""How many requests with a body are on their way at once, and of these how many uploads and bytes.

Whoever sends one slowly holds a thread for as long, and an upload lies on disk until it is answered.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from api.errors import Refusal
from netheal.settings import Settings

_RETRY_S = 5


class BodyLimit:
    """So many at once, of which one caller gets half, so that nobody alone shuts the others out."""

    def __init__(self, what: str, setting: str, most: int, bytes_setting: str = "", most_bytes: int = 0) -> None:
        """Without `most_bytes` only their number is bounded."""
        self._what, self._setting, self._most = what, setting, most
        self._bytes_setting, self._most_bytes = bytes_setting, most_bytes
        self._lock = threading.Lock()
        self._held: defaultdict[str, list[int]] = defaultdict(list)

    @classmethod
    def of_bodies(cls, settings: Settings) -> Self:
        """All requests with a body: at most half of the threads that REST has."""
        most = max(1, min(settings.api.bodies, settings.api.rest_threads // 2))
        return cls("requests with a body", "NETHEAL_API_BODIES", most)

    @classmethod
    def of_uploads(cls, settings: Settings) -> Self:
        """Those of them that are uploads, which a file is kept of."""
        return cls(
            "uploads",
            "NETHEAL_API_WAITING_UPLOADS",
            settings.api.waiting_uploads,
            "NETHEAL_API_WAITING_UPLOAD_BYTES",
            settings.api.waiting_upload_bytes,
        )

    @contextmanager
    def held(self, caller: str, size: int) -> Iterator[None]:
        """While a body of `size` bytes of the caller of this rate key is on its way; raises Refusal (429)."""
        with self._lock:
            reason = self._refused(caller, size)
            if reason:
                message = f"{reason}: try again in {_RETRY_S} s"
                details = {"retry_after_s": _RETRY_S}
                raise Refusal(429, "too_many_requests", message, details, {"Retry-After": str(_RETRY_S)})
            self._held[caller].append(size)
        try:
            yield
        finally:
            with self._lock:
                self._held[caller].remove(size)
                if not self._held[caller]:
                    del self._held[caller]

    def _refused(self, caller: str, size: int) -> str:
        """Why there is no place, or nothing; the first of a caller, or of all, is bounded by its own limit only."""
        own, every = self._held.get(caller, []), [held for sizes in self._held.values() for held in sizes]
        share = max(1, self._most // 2)
        if len(own) >= share:
            return (
                f"{len(own)} {self._what} of yours are on their way, and one caller gets half of what"
                f" {self._setting} allows"
            )
        if len(every) >= self._most:
            return f"{len(every)} {self._what} are on their way, as many as {self._setting} allows"
        if self._most_bytes and own and sum(own) + size > self._most_bytes // 2:
            return f"your {self._what} on their way would hold more than half of what {self._bytes_setting} allows"
        if self._most_bytes and every and sum(every) + size > self._most_bytes:
            return f"the {self._what} on their way would hold more bytes than {self._bytes_setting} allows"
        return ""
