"""A connection on which a frame goes out whole, or nothing goes out any more, in bounded time."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from api.live.websocket_connection import WebSocketConnection


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    yield server, client
    for one in (server, client, listener):
        one.close()


def test_a_client_that_does_not_read_is_given_up_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = WebSocketConnection(pair[0], 0.3)
    with pytest.raises(TimeoutError):  # a broken one waits for ever
        for _ in range(1000):
            wire.send(b"x" * 65_536)
    assert wire.stalled
    with pytest.raises(TimeoutError):
        wire.send(b"one more")


def test_a_write_that_comes_short_is_no_success(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = WebSocketConnection(pair[0], 0.3)
    with pytest.raises(TimeoutError):
        wire.send(b"x" * 16_000_000)


def test_a_client_that_reads_slowly_gets_every_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    wire, client = WebSocketConnection(pair[0], 2.0), pair[1]
    frames = [bytes([n % 251]) * 1000 for n in range(2000)]
    received = bytearray()

    def read() -> None:
        while len(received) < 2_000_000:
            received.extend(client.recv(100_000))
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    wire.send_frames(frames)
    reader.join(20)
    assert bytes(received) == b"".join(frames)


def test_two_threads_never_mix_their_frames(pair: tuple[socket.socket, socket.socket]) -> None:
    wire, client = WebSocketConnection(pair[0], 5.0), pair[1]
    writers = [threading.Thread(target=lambda n=n: [wire.send(bytes([n]) * 50_000) for _ in range(20)]) for n in (1, 2)]
    for writer in writers:
        writer.start()
    received = bytearray()
    while len(received) < 2_000_000:
        received.extend(client.recv(100_000))
    for at in range(0, len(received), 50_000):
        assert len(set(received[at : at + 50_000])) == 1


def test_a_client_that_says_too_much_is_not_listened_to(pair: tuple[socket.socket, socket.socket]) -> None:
    wire, client = WebSocketConnection(pair[0], 1.0), pair[1]
    client.sendall(b"x" * 200_000)
    heard = 0
    while heard < 200_000:
        heard += len(wire.recv(4096))
    client.sendall(b"x" * 100_000)
    with pytest.raises(OSError, match="too much"):
        for _ in range(100):
            wire.recv(4096)
    assert wire.flooding


def test_close_leaves_the_socket_to_its_owner_and_cut_ends_it(pair: tuple[socket.socket, socket.socket]) -> None:
    wire, client = WebSocketConnection(pair[0], 1.0), pair[1]
    wire.close()
    assert wire.fileno() > 0
    wire.send(b"x")
    assert client.recv(10) == b"x"
    wire.cut()
    wire.cut()
    assert client.recv(10) == b""


def test_nothing_follows_a_close_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    wire, client = WebSocketConnection(pair[0], 1.0), pair[1]
    wire.send_frames([b"\x81\x01a", b"\x81\x01b"])
    wire.send(b"\x8a\x01p\x88\x00")
    wire.send_frames([b"\x81\x01c"])
    wire.send(b"\x88\x00")
    wire.cut()
    received = b""
    while part := client.recv(100):
        received += part
    assert received == b"\x81\x01a\x81\x01b\x8a\x01p\x88\x00"
