"""What gunicorn refuses before the application sees it is answered in the shape of the API's errors."""

import json
import socket
import time

from tests.api.served import Serve, Served, answer


def get(api: Served, *lines: str, path: str = "/health/live") -> bytes:
    return api.head(path, *lines, method="GET")


def told(reply: bytes) -> tuple[int, str]:
    """Status and code of an error of the API."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"Content-Security-Policy: " in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def test_what_is_no_request_is_refused_in_the_shape_of_the_api(serve: Serve) -> None:
    api = serve().wait_ready()
    cases = {
        b"NONSENSE\r\n\r\n": (400, "bad_request"),
        b"\r\n\r\n": (400, "bad_request"),
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
