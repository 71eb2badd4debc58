"""A bound on how slowly a client may send: whoever drips bytes must not hold a thread for ever.

gunicorn's threaded worker reads headers and body from a socket that waits without end. Here the reader gets a socket
that gives up after a pause, and when the request as a whole is slower than any honest line. And where gunicorn waits in
its one loop until a client has read its last answer, here the thread does that served it.
"""

import errno
import socket
import struct
import time
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.exceptions import RequestTimeout

from api.threads import ElasticPool
from netheal.telemetry import emit

LEAST_BYTES_PER_S = 16 * 2**10
"""What the average rate of a request may not fall below, after the first `pause_s`."""
_BREATH_S = 0.05
_HEAD_S = 3.0
"""All of a request's head must come in this time: until it has, nobody knows who holds the thread."""


class PacedSocket:
    """The reading side of a connection. `begin` starts a request; its body is answered with 408 when too slow."""

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
        """A request may come from now on."""
        self.in_body = False
        self._began = time.monotonic()
        self._received = 0

    def recv(self, size: int) -> bytes:
        """Some bytes; raises NoMoreData (the connection is dropped) or, in a body, RequestTimeout."""
        most_s = self._pause_s if self.in_body else min(self._pause_s, _HEAD_S)
        left_s = self._began + most_s + self._received / LEAST_BYTES_PER_S - time.monotonic()
        before = self._connection.gettimeout()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(min(self._pause_s, left_s, self._limit_s or left_s))
            data = self._connection.recv(size)
        except TimeoutError:
            if self.in_body:
                raise RequestTimeout("the body came too slowly: send it again over a quicker line") from None
            raise NoMoreData(b"") from None
        finally:
            self._connection.settimeout(before)
        self._received += len(data)
        return data


class PacedConnection(TConn):  # type: ignore[misc]
    """A connection on which nothing is waited for without end."""

    paced: PacedSocket | None = None

    def init(self) -> None:
        """Called for each request: puts the paced socket between the parser and the connection at the first."""
        super().init()
        pause_s: float = self.cfg.body_pause_s
        if self.paced is None:
            self.paced = PacedSocket(self.sock, pause_s)
            self.parser.unreader.sock = self.paced
            # For a client that does not read its answer; sendall() has no other bound on a blocking socket.
            timeval = struct.pack("ll", int(pause_s), int(pause_s % 1 * 1e6))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
        self.paced.begin()

    def linger(self) -> None:
        """End it so that the client can read all of its answer, which takes up to two seconds."""
        super().close(graceful=True)

    def close(self, graceful: bool = False) -> None:
        """Called by the loop that all connections share: at once."""
        super().close()


class PacedWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker on paced connections; its configuration carries `body_pause_s`."""

    def get_thread_pool(self) -> ElasticPool:
        """Threads that end when nobody needs them."""
        return ElasticPool(self.cfg.threads)

    def accept(self, listener: socket.socket) -> None:
        """As the parent does, but for the kind of connection, and for what is done when there are no files left."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            emit("api.no_files_left", error=str(error))
            time.sleep(_BREATH_S)
            return
        self.nr_conns += 1
        client.setblocking(True)
        self.enqueue_req(PacedConnection(self.cfg, client, address, listener.getsockname()))

    def handle(self, conn: PacedConnection) -> Any:
        """One request, in a thread; false where the connection ends with it."""
        goes_on = super().handle(conn)
        if not goes_on:
            conn.linger()
        return goes_on

    def handle_request(self, req: Any, conn: PacedConnection) -> Any:
        """What is read from here on is a body."""
        assert conn.paced is not None
        conn.paced.in_body = True
        try:
            return super().handle_request(req, conn)
        finally:
            conn.paced.in_body = False
