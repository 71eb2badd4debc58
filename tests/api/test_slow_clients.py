"""Without a proxy: clients that stall give their threads back after a while, and do not stop the loop that accepts."""

import socket
import time

import pytest

from api.live.messages import GREETING
from tests.api.served import Serve, Served, answer

FEW = {"NETHEAL_API_THREADS": "4"}
QUICK = {"NETHEAL_API_CLIENT_TIMEOUT_S": "0.5"}


def get(api: Served, *lines: str, path: str = "/health/live") -> bytes:
    return api.head(path, *lines, method="GET")


@pytest.mark.parametrize("beginning", [b"G", b"GET /health/live HTTP/1.1\r\nHost:"])
def test_heads_that_stall_are_given_up_and_give_their_threads_back(serve: Serve, beginning: bytes) -> None:
    api = serve(**FEW, **QUICK).wait_ready()
    stalled = [api.connect() for _ in range(12)]
    for connection in stalled:
        connection.sendall(beginning)
    assert api.is_well()
    assert all(answer(connection) == b"" for connection in stalled)
    assert "api.server" not in api.output(), "they are no errors of ours, and do not fill the log"


def test_clients_that_send_nothing_are_given_up(serve: Serve) -> None:
    api = serve(**FEW).wait_ready()
    silent = [api.connect() for _ in range(5)]
    assert api.is_well()
    assert all(answer(connection) == b"" for connection in silent)


def test_the_second_head_of_a_connection_takes_no_thread_before_it_comes(serve: Serve) -> None:
    api = serve(**FEW).wait_ready()
    kept = [api.connect() for _ in range(12)]
    for connection in kept:
        connection.sendall(get(api))
        assert b" 200 OK" in connection.recv(65_536)
    began_s = time.monotonic()
    assert api.is_well()
    assert time.monotonic() - began_s < 2, "before gunicorn ends those that it keeps"
    for connection in kept:
        connection.close()


def test_clients_that_keep_their_end_open_do_not_stop_the_loop(serve: Serve) -> None:
    """gunicorn by itself waits 2 s for each of them, one after another, and accepts nobody meanwhile."""
    api = serve().wait_ready()
    lazy = [api.connect() for _ in range(20)]
    for connection in lazy:
        connection.sendall(get(api, "Connection: close"))
        assert b" 200 OK" in answer(connection)
    took_s: list[float] = []
    while sum(took_s) < 6:
        began_s = time.monotonic()
        assert api.is_well()
        took_s.append(time.monotonic() - began_s)
    assert sum(one > 1.5 for one in took_s) <= 1
    for connection in lazy:
        connection.close()


def test_a_body_that_was_refused_unread_holds_nobody_up(serve: Serve) -> None:
    api = serve(**FEW).wait_ready()
    owing = [api.connect() for _ in range(5)]
    for connection in owing:
        connection.sendall(api.head("/api/v1/nothing", "Content-Length: 1000"))
        assert b" 404 " in connection.recv(65_536)
    assert api.is_well()
    for connection in owing:
        connection.close()


def test_websockets_leave_threads_to_rest(serve: Serve) -> None:
    """Of 4 threads they get 2, whether anybody reads what they say or not."""
    api = serve(**FEW).wait_ready()
    opened = [watch(api) for _ in range(2)]
    for connection in opened:
        assert connection.recv(12) == b"HTTP/1.1 101"
        read_until(connection, GREETING.encode())  # only then it counts
    with watch(api) as third:
        assert third.recv(12) == b"HTTP/1.1 503"
    assert api.is_well()
    for connection in opened:
        connection.close()


def watch(api: Served) -> socket.socket:
    """The handshake of a WebSocket."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    connection = api.connect()
    connection.sendall(get(api, *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", path="/ws/realtime"))
    return connection


def read_until(connection: socket.socket, end: bytes) -> None:
    found = b""
    while end not in found:
        data = connection.recv(4096)
        assert data, found
        found += data
