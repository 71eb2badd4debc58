"""gunicorn's threaded worker, but for how a connection ends and what an error looks like that gunicorn itself finds."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

_LINGER_S = 2.0
_READ_BYTES = 64 * 2**10


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each request that is received or answered, and for each open WebSocket."""

    def handle(self, conn: TConn) -> Any:
        """Called in a thread. Returns gunicorn's word for what becomes of the connection: False where it ends."""
        outcome = super().handle(conn)
        if outcome is False:
            _linger(conn.sock)
        return outcome

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Called in the thread: answer what is no request in the shape of the API's errors."""
        # Not before the fork, see `api.server`.
        from api.refusals import refusal

        with suppress(OSError):
            client.sendall(refusal(exc))


def _linger(connection: socket.socket) -> None:
    """Wait until the client has closed its end, 2 s at most, so that no reset overtakes the answer.

    Otherwise gunicorn waits as long in its one loop, and meanwhile accepts nobody.
    """
    deadline_s = time.monotonic() + _LINGER_S
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            while (left_s := deadline_s - time.monotonic()) > 0:
                connection.settimeout(left_s)
                if not connection.recv(_READ_BYTES):
                    break
        # gunicorn closes it next, and waits again unless nothing more can come.
        connection.shutdown(socket.SHUT_RD)
