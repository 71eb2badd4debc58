"""A client's connection as simple-websocket and we both use it: whole frames or none, and nobody waits for ever."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from api.socket_timeouts import set_send_timeout

_BUFFER_BYTES = 128 * 2**10
"""What the kernel holds for a client that does not read; by default that would be megabytes."""
_WRITE_BYTES = 64 * 2**10
_TALK_BYTES = 256 * 2**10
_TALK_S = 60.0
_CLOSE = 0x88


class WebSocketConnection:
    """Looks like a socket to simple-websocket. A `send` that does not get all its bytes out in `stall_s` is the last.

    What clients say is of no interest: one that says more than 256 KiB a minute is cut off (`flooding`).
    """

    def __init__(self, connection: socket.socket, stall_s: float) -> None:
        self._connection = connection
        self._stall_s = stall_s
        self._lock = threading.Lock()
        self._heard_bytes = 0
        self._heard_since_s = time.monotonic()
        self._said_goodbye = False
        self.stalled = False
        self.flooding = False
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_send_timeout(connection, stall_s)

    def fileno(self) -> int:
        """For a selector."""
        return self._connection.fileno()

    def recv(self, size: int) -> bytes:
        """Some bytes."""
        data = self._connection.recv(size)
        now_s = time.monotonic()
        if now_s - self._heard_since_s > _TALK_S:
            self._heard_bytes, self._heard_since_s = 0, now_s
        self._heard_bytes += len(data)
        if self._heard_bytes > _TALK_BYTES:
            self.flooding = True
            raise OSError("the client says too much")
        return data

    def send(self, data: bytes) -> int:
        """All of it; raises OSError, and then a frame may have been cut, so that nothing can follow.

        Nor does anything follow a close frame: simple-websocket sends one while rows are still sent here.
        """
        return self._put(data, is_last=_has_close(data))

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Frames in as few writes as may be, each of which has `stall_s`."""
        for part in _joined(frames):
            self._put(part)

    def close(self) -> None:
        """Nothing: simple-websocket calls it, but gunicorn closes the connection, and must find it open."""

    def cut(self) -> None:
        """End it in both directions, so that nobody waits on it any more."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _put(self, data: bytes, is_last: bool = False) -> int:
        with self._lock:
            if self._said_goodbye:
                return len(data)
            if self.stalled:
                raise TimeoutError("the client does not read")
            limit_s = time.monotonic() + self._stall_s
            rest = memoryview(data)
            while rest:
                with suppress(BlockingIOError):
                    rest = rest[self._connection.send(rest) :]
                if rest and time.monotonic() >= limit_s:
                    self.stalled = True
                    raise TimeoutError("the client does not read")
            self._said_goodbye = is_last
        return len(data)


def _has_close(data: bytes) -> bool:
    """Whether there is a close frame among what simple-websocket sends at once: short control frames, or its 101."""
    at = 0
    while at + 1 < len(data):
        if data[at] == _CLOSE:
            return True
        at += 2 + data[at + 1]
    return False


def _joined(frames: Iterable[bytes]) -> Iterator[bytes]:
    part: list[bytes] = []
    size = 0
    for frame in frames:
        if part and size + len(frame) > _WRITE_BYTES:
            yield b"".join(part)
            part, size = [], 0
        part.append(frame)
        size += len(frame)
    if part:
        yield b"".join(part)
