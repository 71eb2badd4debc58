"""A body has a length and comes in time, or the thread that reads it turns to somebody else."""

import time

from tests.api.served import Serve, answer


def test_a_body_of_unknown_length_is_refused(serve: Serve) -> None:
    api = serve().wait_ready()
    with api.connect() as connection:
        chunk = b"%x\r\n%b\r\n" % (2**18, b" " * 2**18)
        connection.sendall(api.head("/api/v1/tokens", "Content-Type: application/json", "Transfer-Encoding: chunked"))
        connection.sendall(chunk * 4 + b"1\r\nx\r\n")
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 411 ") and b"length_required" in reply


def test_a_body_that_stops_coming_is_answered_with_408(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="0.5").wait_ready()
    with api.connect() as connection:
        connection.sendall(api.head("/api/v1/traffic", "Content-Type: application/json", "Content-Length: 100") + b"[{")
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in reply


def test_a_body_that_drips_is_given_up_although_bytes_come(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="1").wait_ready()
    with api.connect() as connection:
        connection.sendall(api.head("/api/v1/traffic", "Content-Type: application/json", "Content-Length: 9999"))
        connection.settimeout(0.1)
        began, reply = time.monotonic(), b""
        while not reply and time.monotonic() < began + 20:
            try:
                connection.sendall(b" ")
                reply = connection.recv(65_536)
            except TimeoutError:
                continue
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5
