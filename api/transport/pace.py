"""A bound on how slowly a client may send a body: whoever drips bytes must not hold a thread for ever."""

import socket
import time

from werkzeug.exceptions import RequestTimeout

LEAST_BYTES_PER_S = 16 * 2**10
"""What the average rate of a body may not fall below, after the first `pause_s`."""


class PacedSocket:
    """The reading side of a connection, with an end to each wait. `begin` starts the clock of a request."""

    def __init__(self, connection: socket.socket, pause_s: float) -> None:
        self._connection = connection
        self._pause_s = pause_s
        self._limit_s: float | None = None
        self.begin()

    def gettimeout(self) -> float | None:
        """What gunicorn has set, to drain a body that nobody read."""
        return self._limit_s

    def settimeout(self, limit_s: float | None) -> None:
        """A bound on one `recv`, beside our own."""
        self._limit_s = limit_s

    def begin(self) -> None:
        """A thread turns to a request whose head is there."""
        self._began = time.monotonic()
        self._received = 0

    def recv(self, size: int) -> bytes:
        """Some bytes; raises RequestTimeout, which the application answers with 408, or TimeoutError to gunicorn."""
        left_s = self._began + self._pause_s + self._received / LEAST_BYTES_PER_S - time.monotonic()
        before = self._connection.gettimeout()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(min(self._pause_s, left_s, self._limit_s or left_s))
            data = self._connection.recv(size)
        except TimeoutError:
            if self._limit_s is not None:
                raise
            raise RequestTimeout("the body came too slowly: send it again over a quicker line") from None
        finally:
            self._connection.settimeout(before)
        self._received += len(data)
        return data
