"""A connection of which the worker's loop reads the heads and sends the rest, without ever waiting itself."""

import socket
from collections.abc import Callable
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.workers.gthread import TConn

from api.transport.answering import AnsweringSocket
from api.transport.pace import PacedSocket, bound_sends

MOST_HEAD_BYTES = 64 * 2**10
_READ_BYTES = 8192
_HEAD_ENDS = b"\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """HTTP/1 without TLS. The loop has it until a head is there, a thread until it is answered, then the loop.

    `awaited`: the loop waits for it, and what is done then. `timeout`: until when.
    """

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        answering = AnsweringSocket(fileno=sock.detach())
        super().__init__(cfg, answering, client, server)
        pause_s: float = cfg.body_pause_s
        answering.begin(pause_s)
        self._paced = PacedSocket(answering, pause_s, cfg.body_most_s)
        self.parser = get_parser(cfg, self._paced, client)
        self.data_ready = True
        self.awaited: Callable[[], None] | None = None
        self._head = bytearray()
        self._searched = 0
        bound_sends(answering, pause_s)

    @property
    def is_gone(self) -> bool:
        """Whether the thread has closed it, as gunicorn does where an answer breaks off."""
        return bool(self.sock.fileno() < 0)

    def is_due(self) -> bool:
        """Whether a thread has something to do: a head is there, or what cannot become one.

        Asked once for what was read since; where it is true, a thread is next, with `init`.
        """
        # A client may send its next request right behind the one before.
        self._head += self.parser.unreader.take_buffered()
        begin = max(0, self._searched - len(_HEAD_ENDS) + 1)
        self._searched = len(self._head)
        line = self._head.find(b"\n", 0, MOST_HEAD_BYTES)
        is_bare = line >= 0 and self._head[line - 1 : line] != b"\r"
        ends = self._head.find(_HEAD_ENDS, begin) >= 0
        return ends or is_bare or len(self._head) > MOST_HEAD_BYTES

    def read_on(self) -> bool:
        """Called by the loop when there is something to read: false where nothing more comes."""
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._head += data
        return bool(data)

    def init(self) -> None:
        """Called by the thread for each request, before the head is parsed."""
        self.sock.setblocking(True)
        self._paced.begin()
        head, self._head, self._searched = bytes(self._head), bytearray(), 0
        if len(head.partition(_HEAD_ENDS)[0]) > MOST_HEAD_BYTES:
            raise LimitRequestHeaders(f"a head has at most {MOST_HEAD_BYTES} bytes")
        self.parser.unreader.unread(head)

    def send_on(self) -> bool:
        """Called by the loop when there is room for more of the answer: false where the client does not read it."""
        try:
            self.sock.send_on()
        except OSError:
            return False
        return True

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
