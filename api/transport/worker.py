"""gunicorn's threaded worker, but that a thread is taken only by a request that is there.

gunicorn gives each new connection a thread, which waits for the request, and waits again until the client has read the
answer; and at the end its one loop waits for the client to close. Here the loop reads the heads of all connections as
they come, sends what a client has not read yet, and lets the ended ones run out, without waiting for any of them.
"""

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from api.transport.connection import Connection
from api.transport.threads import ElasticPool
from netheal.telemetry import emit

_BREATH_S = 0.05
_MOST_HELD_BYTES = 64 * 2**20
"""Of answers that clients have not read, beside what the kernel and the threads hold."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """Its configuration carries `body_pause_s` and `body_most_s` (see `api.transport.pace`), and `head_patience_s`.

    In the latter a head must come, or a client's end.

    `pending_conns` are the connections that the loop waits for, the one it waits for longest first.
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
            if not self._drop_longest_awaited():
                time.sleep(_BREATH_S)
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._drop_longest_awaited()
        self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Give it to a thread as soon as its next head is there."""
        if conn.is_due():
            self._submit(conn)
        else:
            self._await(conn, self._read_head, self.cfg.head_patience_s)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Called in the loop when a thread is done with a request, and when all of the answer is sent."""
        if conn.is_gone:
            self._close(conn)
        elif conn.sock.unsent_bytes:
            self._await(conn, partial(self._send_on, fs), self.cfg.body_pause_s, EVENT_WRITE)
            self._let_go()
        elif fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        elif conn.say_no_more():
            self._await(conn, self._run_out, self.cfg.head_patience_s)
        else:
            self._close(conn)

    def murder_pending(self) -> None:
        """Called at each turn of the loop: drop those whose time is over."""
        now_s = time.monotonic()
        for conn in [conn for conn in self.pending_conns if conn.timeout <= now_s]:
            self._drop(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Called in the thread: what is no request is answered here."""
        # Not before the fork, see `api.server`.
        from api.transport.refusals import refusal

        with suppress(OSError):
            client.sendall(refusal(exc))

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """What the application left of a body is not waited for: where there is more than came, the connection ends."""
        try:
            return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + _BREATH_S))
        except ParseException:  # it is answered already, and where the next request would begin is not known
            return False

    def _await(
        self, conn: Connection, callback: Callable[[Connection], None], limit_s: float, event: int = EVENT_READ
    ) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + limit_s
        self.pending_conns.append(conn)
        conn.awaited = partial(callback, conn)
        self.poller.register(conn.sock, event, lambda _: self._turn(conn))

    def _turn(self, conn: Connection) -> None:
        # It may have been dropped by another event of the same look.
        if conn.awaited:
            conn.awaited()

    def _drop_longest_awaited(self) -> bool:
        """False where there is none. What it awaits may just have come: then it is another's turn, next time."""
        if not self.pending_conns:
            return False
        longest = self.pending_conns[0]
        self._turn(longest)
        if longest.awaited:
            self._drop(longest)
        return True

    def _read_head(self, conn: Connection) -> None:
        if not conn.read_on():
            self._drop(conn)
        elif conn.is_due():
            self._forgo(conn)
            self._submit(conn)

    def _send_on(self, fs: Any, conn: Connection) -> None:
        if not conn.send_on():
            self._drop(conn)
        elif conn.sock.unsent_bytes:
            conn.timeout = time.monotonic() + self.cfg.body_pause_s
        else:
            self._forgo(conn)
            self.finish_request(conn, fs)

    def _let_go(self) -> None:
        """Of those that do not read their answers, drop the longest awaited where together they hold too much."""
        holding = [conn for conn in self.pending_conns if conn.sock.unsent_bytes]
        excess = sum(conn.sock.unsent_bytes for conn in holding) - _MOST_HELD_BYTES
        for conn in holding:
            if excess <= 0:
                return
            excess -= conn.sock.unsent_bytes
            self._drop(conn)

    def _submit(self, conn: Connection) -> None:
        try:
            super().enqueue_req(conn)
        except RuntimeError as error:  # the system gives us no thread, not even one
            emit("api.failed", error=str(error))
            self._close(conn)

    def _run_out(self, conn: Connection) -> None:
        if not conn.forget():
            self._drop(conn)

    def _forgo(self, conn: Connection) -> None:
        """Wait for it no longer."""
        self.pending_conns.remove(conn)
        conn.awaited = None
        self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        self._forgo(conn)
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()
