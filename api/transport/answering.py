"""The writing side of a connection: an answer is taken at once, and sent as the client reads it."""

import errno
import select
import socket
from collections.abc import Buffer
from contextlib import suppress

from api.transport.pace import Pace

MOST_UNSENT_BYTES = 2 * 2**20
"""Of one answer, beside what the kernel holds; for what is over it `sendall` waits."""
_KERNEL_BYTES = 128 * 2**10
"""By default the kernel would hold megabytes for a client that does not read, and they would pass for read."""
_WRITE_BYTES = 256 * 2**10


class AnsweringSocket(socket.socket):
    """A socket whose `sendall` leaves up to `MOST_UNSENT_BYTES` to whoever calls `send_on` later, the worker's loop."""

    def begin(self, pause_s: float) -> None:
        """Once, before anything is sent. `pause_s`: how long a client may read nothing, see `send_on`."""
        self._pace = Pace(pause_s)
        self._unsent = bytearray()
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    @property
    def unsent_bytes(self) -> int:
        """What `sendall` took and the kernel did not."""
        return len(self._unsent)

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        """Take all of it; raises OSError as `send_on`."""
        if not self._unsent:
            self._pace.begin()
        self._unsent += data
        self.send_on()
        while len(self._unsent) > MOST_UNSENT_BYTES:
            poll = select.poll()
            poll.register(self, select.POLLOUT)
            poll.poll(1000 * max(0.0, self._pace.left_s))
            self.send_on()

    def send_on(self) -> None:
        """Send what goes out without waiting.

        Raises OSError where the connection is gone, or the client has read less than `LEAST_BYTES_PER_S` on average,
        after the first `pause_s`.
        """
        try:
            self._send_now()
            if self._unsent and self._pace.left_s <= 0:
                raise ConnectionResetError(errno.ECONNRESET, "the client does not read its answer")
        except OSError:
            self._unsent.clear()
            raise

    def _send_now(self) -> None:
        sent = 0
        with suppress(BlockingIOError):
            while sent < len(self._unsent):
                sent += self.send(self._unsent[sent : sent + _WRITE_BYTES], socket.MSG_DONTWAIT)
        del self._unsent[:sent]
        self._pace.moved(sent)
