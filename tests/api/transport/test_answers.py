"""A client that does not read its answer holds no thread, and whoever reads it gets all of it."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import flask_swagger_ui
import psutil
import pytest

from api.transport import answering, pace
from api.transport.answering import AnsweringSocket
from tests.api.served import Serve, Served, answer

LARGE = "swagger-ui-bundle.js"
LARGE_BYTES = (Path(flask_swagger_ui.__file__).parent / "dist" / LARGE).read_bytes()

Pair = tuple[AnsweringSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(listener.getsockname())
    accepted, _ = listener.accept()
    server = AnsweringSocket(fileno=accepted.detach())
    yield server, client
    for one in (server, client, listener):
        one.close()


def unread(api: Served) -> socket.socket:
    """Asks for a large file, and does not read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect((api.address["host"], api.address["port"]))
    connection.sendall(api.head(f"/docs/{LARGE}", "Connection: close", method="GET"))
    assert connection.recv(1, socket.MSG_PEEK) == b"H", "the answer has begun"
    return connection


def wait_dropped(api: Served, connection: socket.socket) -> None:
    """Until the API has closed its end."""
    port = connection.getsockname()[1]
    (worker,) = psutil.Process(api.process.pid).children()
    limit_s = time.monotonic() + 30
    while any(other.raddr and other.raddr.port == port for other in worker.net_connections("tcp")):
        assert time.monotonic() < limit_s
        time.sleep(0.05)


def test_a_large_answer_that_nobody_reads_holds_no_thread(serve: Serve) -> None:
    api = serve(NETHEAL_API_THREADS="4", NETHEAL_API_BODY_TIMEOUT_S="60").wait_ready()
    lazy = [unread(api) for _ in range(12)]
    assert api.is_well()
    for connection in lazy:
        _, _, body = answer(connection).partition(b"\r\n\r\n")
        assert hashlib.sha256(body).digest() == hashlib.sha256(LARGE_BYTES).digest()


def test_where_they_hold_too_much_the_first_of_them_go(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="60").wait_ready()
    lazy = [unread(api) for _ in range(100)]
    assert api.is_well()
    wait_dropped(api, lazy[0])
    assert len(answer(lazy[0])) < len(LARGE_BYTES)
    assert len(answer(lazy[-1])) > len(LARGE_BYTES)
    for connection in lazy:
        connection.close()


def test_a_client_that_reads_nothing_for_long_is_dropped(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="0.5").wait_ready()
    connection = unread(api)
    wait_dropped(api, connection)
    assert len(answer(connection)) < len(LARGE_BYTES)


def test_what_is_over_the_bound_waits_for_a_client_that_reads(pair: Pair) -> None:
    server, client = pair
    server.begin(pause_s=20)
    data = bytes(range(256)) * 40_000
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(client.recv(65_536))

    reader = threading.Thread(target=read)
    reader.start()
    for at in range(0, len(data), 1_000_000):
        server.sendall(data[at : at + 1_000_000])
        assert server.unsent_bytes <= answering.MOST_UNSENT_BYTES
    while server.unsent_bytes:
        server.send_on()
    reader.join(20)
    assert bytes(received) == data


def test_and_not_for_one_that_does_not(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LEAST_BYTES_PER_S", 2**20)
    server, _ = pair
    server.begin(pause_s=0.2)
    with pytest.raises(ConnectionResetError, match="does not read"):
        server.sendall(bytes(40_000_000))
    assert server.unsent_bytes == 0, "nothing is kept for it"
