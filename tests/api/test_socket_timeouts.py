"""A connection has the timeouts of the listening socket that it comes from, in each direction its own."""

import socket
import time
from collections.abc import Iterator

import pytest

from api.socket_timeouts import set_receive_timeout, set_send_timeout

TIMEOUT_S = 0.2


@pytest.fixture
def accepted() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_receive_timeout(listener, TIMEOUT_S)
        set_send_timeout(listener, TIMEOUT_S)
        with socket.create_connection(listener.getsockname()) as client:
            server, _ = listener.accept()
            client.sendall(b"x")
            with server:
                yield server


def test_what_comes_is_received_and_a_stall_is_an_error(accepted: socket.socket) -> None:
    assert accepted.recv(10) == b"x"
    began_s = time.monotonic()
    with pytest.raises(BlockingIOError):
        accepted.recv(10)
    assert time.monotonic() - began_s >= TIMEOUT_S / 2


def test_a_client_that_does_not_read_is_an_error(accepted: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        accepted.sendall(bytes(64 * 2**20))


@pytest.mark.parametrize("timeout_s", [1e-9, 0.3, 2.75, 600.0])
def test_no_timeout_is_rounded_to_none(timeout_s: float) -> None:
    with socket.socket() as unconnected:
        set_receive_timeout(unconnected, timeout_s)
        assert any(unconnected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))
