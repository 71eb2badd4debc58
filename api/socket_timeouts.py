"""Timeouts in the kernel: unlike `settimeout`, one direction alone, and for a socket that several threads use."""

import socket
import struct

_US_PER_S = 1_000_000


def set_receive_timeout(connection: socket.socket, timeout_s: float) -> None:
    """Have a blocking recv() raise BlockingIOError once nothing has come for so long."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeout_s))


def set_send_timeout(connection: socket.socket, timeout_s: float) -> None:
    """Have a blocking send() raise BlockingIOError once the other side has made no room for so long."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout_s))


def _timeval(timeout_s: float) -> bytes:
    # 0 would mean no timeout at all.
    return struct.pack("ll", *divmod(max(1, round(timeout_s * _US_PER_S)), _US_PER_S))
