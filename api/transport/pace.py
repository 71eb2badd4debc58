"""Bounds on how slowly a client may send or read: whoever drips bytes must not hold a thread for ever."""

import math
import socket
import struct
import time

from werkzeug.exceptions import RequestTimeout

LEAST_BYTES_PER_S = 16 * 2**10
"""What the average rate of a body, or of an answer, may not fall below, after the first `pause_s`."""


class Pace:
    """How long a client may still take: `pause_s` from `begin` on, and more with each byte that has moved.

    However many move, never more than `most_s` in all.
    """

    def __init__(self, pause_s: float, most_s: float = math.inf) -> None:
        self.pause_s = pause_s
        self._most_s = most_s
        self.begin()

    def begin(self) -> None:
        """Now, with no byte moved."""
        self._since_s = time.monotonic()
        self._bytes = 0

    def moved(self, count: int) -> None:
        """So many bytes more."""
        self._bytes += count

    @property
    def left_s(self) -> float:
        """Seconds; 0 or less where it took too long."""
        allowed_s = min(self.pause_s + self._bytes / LEAST_BYTES_PER_S, self._most_s)
        return self._since_s + allowed_s - time.monotonic()


def bound_sends(connection: socket.socket, limit_s: float) -> None:
    """Have a blocking send() give up after so long, which settimeout() would do to recv() in other threads, too."""
    timeval = struct.pack("ll", int(limit_s), int(limit_s % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


class PacedSocket:
    """The reading side of a connection, with an end to each wait. `begin` starts the clock of a request."""

    def __init__(self, connection: socket.socket, pause_s: float, most_s: float) -> None:
        self._connection = connection
        self._pace = Pace(pause_s, most_s)
        self._limit_s: float | None = None

    def gettimeout(self) -> float | None:
        """What gunicorn has set, to drain a body that nobody read."""
        return self._limit_s

    def settimeout(self, limit_s: float | None) -> None:
        """A bound on one `recv`, beside our own."""
        self._limit_s = limit_s

    def begin(self) -> None:
        """A thread turns to a request whose head is there."""
        self._pace.begin()

    def recv(self, size: int) -> bytes:
        """Some bytes; raises RequestTimeout, which the application answers with 408, or TimeoutError to gunicorn."""
        left_s = self._pace.left_s
        before = self._connection.gettimeout()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(min(self._pace.pause_s, left_s, self._limit_s or left_s))
            data = self._connection.recv(size)
        except TimeoutError:
            if self._limit_s is not None:
                raise
            raise RequestTimeout("the body came too slowly: send it again over a quicker line") from None
        finally:
            self._connection.settimeout(before)
        self._pace.moved(len(data))
        return data
