"""gunicorn's threaded worker, but that a thread is taken only by a request that is there.

gunicorn gives each new connection a thread, which then waits for the request; and when all is answered, its one loop
waits until the client has read it. Here the loop reads the heads of all connections as they come, and lets the ended
ones run out, both without waiting and for a few seconds at most.
"""

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from api.transport.connection import Connection
from api.transport.threads import ElasticPool
from netheal.telemetry import emit

_BREATH_S = 0.05


class Worker(ThreadWorker):  # type: ignore[misc]
    """Its configuration carries `body_pause_s`, and `head_patience_s`, in which a head must come, or a client's end.

    `pending_conns` are the connections that the loop waits for, in the order in which their time is over.
    """

    def get_thread_pool(self) -> ElasticPool:
        """Threads that end when nobody needs them."""
        return ElasticPool(self.cfg.threads)

    def accept(self, listener: socket.socket) -> None:
        """A new connection; where there are as many as may be, the one that keeps us waiting longest goes."""
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
        if self.nr_conns >= self.worker_connections and self.pending_conns:
            self._drop(self.pending_conns[0])
        self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Give it to a thread as soon as its next head is there."""
        if conn.is_due:
            super().enqueue_req(conn)
        else:
            self._await(conn, self._read_head)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Called in the loop when a thread is done with a request."""
        if fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        elif conn.say_no_more():
            self._await(conn, self._run_out)
        else:
            self._close(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Called in the thread: what is no request is answered here."""
        # Not before the fork, see `api.server`.
        from api.transport.refusals import is_the_clients, refusal

        if not is_the_clients(exc):
            emit("api.failed", error=f"{type(exc).__name__}: {exc}", exc_info=exc)
        with suppress(OSError):
            client.sendall(refusal(exc))

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """What the application left of a body is not waited for: where there is more than came, the connection ends."""
        return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + _BREATH_S))

    def _await(self, conn: Connection, callback: Callable[[Connection], None]) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.head_patience_s
        self.pending_conns.append(conn)
        conn.awaited = True
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_readable, conn, callback))

    def _on_readable(self, conn: Connection, callback: Callable[[Connection], None], _: Any) -> None:
        # It may have been dropped by another event of the same look.
        if conn.awaited:
            callback(conn)

    def _read_head(self, conn: Connection) -> None:
        if not conn.read_on():
            self._drop(conn)
        elif conn.is_due:
            self._forgo(conn)
            self.enqueue_req(conn)

    def _run_out(self, conn: Connection) -> None:
        if not conn.forget():
            self._drop(conn)

    def _forgo(self, conn: Connection) -> None:
        """Wait for it no longer."""
        self.pending_conns.remove(conn)
        conn.awaited = False
        self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        self._forgo(conn)
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()
