"""Uploads that are on their way, or wait for their turn: bounded in number and in bytes, which all lie on disk."""

import threading

from flask import Flask, current_app, g, request

from api.errors import Refusal
from api.security.marks import demands_of
from netheal.settings import Settings

_WAIT_S = 30


class WaitingUploads:
    """Counts the uploads of one API, from their heads to their answers."""

    def __init__(self, settings: Settings) -> None:
        self._most, self._most_bytes = settings.api_waiting_uploads, settings.api_waiting_upload_bytes
        self._sizes: list[int] = []
        self._lock = threading.Lock()

    def enter(self, size: int) -> str:
        """Count one whose body has so many bytes; why it cannot be taken now, or nothing."""
        with self._lock:
            if len(self._sizes) >= self._most:
                return (
                    f"{self._most} uploads are being received or examined, the most NETHEAL_API_WAITING_UPLOADS allows"
                )
            # One alone is bounded by its own limit.
            if self._sizes and sum(self._sizes) + size > self._most_bytes:
                return "the uploads on their way would hold more than NETHEAL_API_WAITING_UPLOAD_BYTES allows"
            self._sizes.append(size)
            return ""

    def leave(self, size: int) -> None:
        """It was answered."""
        with self._lock:
            self._sizes.remove(size)


def register_waiting(app: Flask, settings: Settings) -> None:
    """Bound the uploads of the app; to be called after the guard is registered, which says who may upload at all."""
    waiting = WaitingUploads(settings)

    def enter() -> None:
        if request.method == "OPTIONS" or not demands_of(current_app.view_functions.get(request.endpoint or "")).upload:
            return
        size = request.content_length or 0
        refused = waiting.enter(size)
        if refused:
            message = f"{refused}: try again in {_WAIT_S} s"
            raise Refusal(429, "too_many_requests", message, {"retry_after_s": _WAIT_S}, {"Retry-After": str(_WAIT_S)})
        g.waiting_upload_bytes = size

    def leave(_: BaseException | None) -> None:
        size = g.pop("waiting_upload_bytes", None)
        if size is not None:
            waiting.leave(size)

    app.before_request(enter)
    app.teardown_request(leave)
