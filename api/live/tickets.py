"""Tickets that open one socket each: a browser cannot send a header with a WebSocket, and URLs end up in logs."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from api.errors import Refusal
from api.security.identity import Caller

LIFETIME_S = 30
_MOST = 10_000
"""What may be outstanding at once, over all callers."""


@dataclass(frozen=True)
class _Ticket:
    caller: Caller
    until_s: float


class Tickets:
    """The tickets of this process. Each is good once, for 30 seconds, and for the caller that it was made for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Ticket] = {}

    def issue(self, caller: Caller) -> str:
        """A new ticket; raises Refusal (503) where nobody uses those that there are."""
        now = self._clock()
        text = secrets.token_urlsafe(24)
        with self._lock:
            # All live equally long, so the oldest expire first.
            while self._open and next(iter(self._open.values())).until_s <= now:
                del self._open[next(iter(self._open))]
            if len(self._open) >= _MOST:
                raise Refusal(503, "too_many_tickets", "too many tickets are open: use them, or wait half a minute")
            self._open[text] = _Ticket(caller, now + LIFETIME_S)
        return text

    def redeem(self, text: str) -> Caller | None:
        """Whose ticket it is, None where it is not known, was used or has expired. It is used now."""
        with self._lock:
            found = self._open.pop(text, None)
        return found.caller if found is not None and self._clock() < found.until_s else None
