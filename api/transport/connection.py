"""A connection of which the worker's loop reads the heads and awaits the end, without ever waiting itself."""

import socket
import struct
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.workers.gthread import TConn

from api.transport.pace import PacedSocket

MOST_HEAD_BYTES = 64 * 2**10
_READ_BYTES = 8192
_HEAD_ENDS = b"\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """HTTP/1 without TLS. The loop has it until a head is there, a thread until it is answered, then the loop."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        pause_s: float = cfg.body_pause_s
        self._paced = PacedSocket(sock, pause_s)
        self.parser = get_parser(cfg, self._paced, client)
        self.data_ready = True
        self.awaited = False
        # For a client that does not read its answer; sendall() has no other bound on a blocking socket.
        timeval = struct.pack("ll", int(pause_s), int(pause_s % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    @property
    def is_due(self) -> bool:
        """Whether a thread has something to do: a head is there, or more than a head may be."""
        head = self._buffered.getvalue()
        return _HEAD_ENDS in head or len(head) > MOST_HEAD_BYTES

    def read_on(self) -> bool:
        """Called by the loop when there is something to read: false where nothing more comes."""
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._buffered.seek(0, 2)
        self._buffered.write(data)
        return bool(data)

    def init(self) -> None:
        """Called by the thread for each request, before the head is parsed."""
        self.sock.setblocking(True)
        self._paced.begin()
        if len(self._buffered.getvalue().partition(_HEAD_ENDS)[0]) > MOST_HEAD_BYTES:
            raise LimitRequestHeaders(f"a head has at most {MOST_HEAD_BYTES} bytes")

    def say_no_more(self) -> bool:
        """Nothing is sent after this; false where the connection is gone. What comes still is for `forget`."""
        try:
            self.sock.setblocking(False)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def forget(self) -> bool:
        """Read what nobody wants, so that no reset overtakes the answer: false at the end."""
        try:
            return bool(self.sock.recv(MOST_HEAD_BYTES))
        except BlockingIOError:
            return True
        except OSError:
            return False

    @property
    def _buffered(self) -> Any:
        return self.parser.unreader.buf
