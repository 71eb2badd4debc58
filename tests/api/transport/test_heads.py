"""A thread is taken by requests that are there, and by nobody who only might send one."""

import errno
import json
import resource
import socket
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from selectors import DefaultSelector
from types import SimpleNamespace
from typing import cast

import pytest

from api.transport.connection import Connection
from api.transport.worker import Worker
from tests.api.served import Serve, Served, answer

FEW = {"NETHEAL_API_THREADS": "4"}
PATIENT = {"NETHEAL_API_HEAD_TIMEOUT_S": "60"}


@pytest.fixture
def many_files() -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def get(api: Served, *lines: str, path: str = "/health/live") -> bytes:
    return api.head(path, *lines, method="GET")


def told(reply: bytes) -> tuple[int, str]:
    """Status and code of an error of the API."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"Content-Security-Policy: " in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET /health/live HTTP/1.1\r\nHost:"])
def test_heads_that_do_not_come_take_no_thread(serve: Serve, beginning: bytes) -> None:
    api = serve(**FEW, **PATIENT).wait_ready()
    silent = [api.connect() for _ in range(12)]
    for connection in silent:
        connection.sendall(beginning)
    assert api.is_well()
    for connection in silent:
        connection.close()


def test_nor_does_the_second_head_of_a_connection(serve: Serve) -> None:
    api = serve(**FEW, **PATIENT).wait_ready()
    kept = [api.connect() for _ in range(12)]
    for connection in kept:
        connection.sendall(get(api) + b"G")
        assert b" 200 OK" in connection.recv(65_536)
    assert api.is_well()
    for connection in kept:
        connection.sendall(get(api, "Connection: close")[1:])
        assert b" 200 OK" in answer(connection)


def test_nor_does_a_client_that_keeps_its_end_open(serve: Serve) -> None:
    api = serve(**FEW, **PATIENT).wait_ready()
    lazy = [api.connect() for _ in range(12)]
    for connection in lazy:
        connection.sendall(get(api, "Connection: close"))
        assert b" 200 OK" in answer(connection)
    assert api.is_well()


def test_nor_does_a_body_that_was_refused_unread(serve: Serve) -> None:
    api = serve(**FEW, **PATIENT).wait_ready()
    owing = [api.connect() for _ in range(12)]
    for connection in owing:
        connection.sendall(api.head("/api/v1/nothing", "Content-Length: 1000"))
        assert b" 404 " in answer(connection)
    assert api.is_well()


def test_a_head_that_does_not_come_is_given_up(serve: Serve) -> None:
    api = serve(NETHEAL_API_HEAD_TIMEOUT_S="0.5").wait_ready()
    with api.connect() as silent, api.connect() as slow:
        slow.sendall(b"GET /health/live HTTP/1.1\r\nHost:")
        assert answer(silent) == answer(slow) == b""


def test_a_client_that_goes_in_its_head_is_forgotten(serve: Serve) -> None:
    api = serve(**FEW).wait_ready()
    for _ in range(12):
        with api.connect() as connection:
            connection.sendall(b"GET /")
    assert api.is_well()


def test_a_head_may_come_in_pieces_and_two_at_once(serve: Serve) -> None:
    api = serve().wait_ready()
    whole = get(api) + get(api, "Connection: close")
    with api.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), 7):
            connection.sendall(whole[at : at + 7])
            time.sleep(0.001)
        assert answer(connection).count(b"HTTP/1.1 200 OK") == 2
    with api.connect() as connection:
        connection.sendall(whole)
        assert answer(connection).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.usefixtures("many_files")
def test_where_there_are_as_many_as_may_be_the_longest_silent_one_goes(serve: Serve) -> None:
    api = serve(**PATIENT).wait_ready()
    silent = [api.connect() for _ in range(1_050)]
    assert api.is_well()
    assert silent[0].recv(1) == b"", "dropped for those after it"
    silent[-1].sendall(get(api, "Connection: close"))
    assert b" 200 OK" in answer(silent[-1])
    for connection in silent:
        connection.close()


def test_what_is_no_request_is_refused_in_the_shape_of_the_api(serve: Serve) -> None:
    api = serve().wait_ready()
    cases = {
        b"NONSENSE\r\n\r\n": (400, "bad_request"),
        b"\r\n\r\n": (400, "bad_request"),
        b"GET /health/live HTTP/1.0\n\n": (400, "bad_request"),
        get(api, "no colon"): (400, "bad_request"),
        get(api, "Transfer-Encoding: smoke"): (501, "not_implemented"),
        get(api, "Expect: cake"): (417, "unknown_expectation"),
        get(api, path="/" + 5_000 * "x"): (414, "url_too_long"),
        get(api, "X-Long: " + 9_000 * "x"): (431, "head_too_large"),
        get(api, *(f"X-{number}: {500 * 'x'}" for number in range(200))): (431, "head_too_large"),
    }
    for sent, expected in cases.items():
        with api.connect() as connection:
            connection.sendall(sent)
            assert told(answer(connection)) == expected, sent[:40]
    assert "Traceback" not in api.output() and "api.failed" not in api.output()


def test_a_body_that_nobody_read_and_nobody_can_is_answered_once(serve: Serve) -> None:
    api = serve().wait_ready()
    with api.connect() as connection:
        connection.sendall(api.head("/api/v1/tokens", "Transfer-Encoding: chunked") + b"no number\r\n")
        assert answer(connection).count(b"HTTP/1.1 ") == 1


def test_who_has_sent_a_head_is_served_before_the_next_is_taken() -> None:
    worker, submitted = object.__new__(Worker), deque[Connection]()
    worker.cfg = SimpleNamespace(
        body_pause_s=9.0, body_most_s=9.0, head_patience_s=9.0, is_ssl=False, http_parser="python"
    )
    worker.poller, worker.pending_conns, worker.nr_conns, worker.worker_connections = DefaultSelector(), deque(), 0, 2

    def submit(_: object, connection: Connection) -> Future[None]:
        submitted.append(connection)
        return Future()

    worker.tpool = SimpleNamespace(submit=submit)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        quick, silent, late = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        worker.accept(listener)
        (first,) = worker.pending_conns
        quick.sendall(b"GET / HTTP/1.1\r\n\r\n")
        worker.accept(listener)
        (second,) = worker.pending_conns
        assert list(submitted) == [first] and first is not second
        worker.accept(listener)
        assert silent.recv(1) == b"", "it has kept us waiting longest, and has sent nothing"
    for one in (quick, silent, late, first.sock, *(conn.sock for conn in worker.pending_conns)):
        one.close()


def test_without_a_file_left_a_connection_waits_and_the_worker_goes_on() -> None:
    class Listener:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    worker = object.__new__(Worker)
    worker.pending_conns = deque()
    worker.accept(cast(socket.socket, Listener()))
