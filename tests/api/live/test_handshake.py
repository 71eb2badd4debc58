"""What opens a socket is a handshake of RFC 6455, or it is told what is wrong with it."""

import json

from tests.api.served import Serve, answer

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def test_what_is_no_handshake_is_refused(serve: Serve) -> None:
    api = serve().wait_ready()
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    wrong = [
        ("a key that is too short", (*upgrade, "Sec-WebSocket-Key: c2hvcnQ=")),
        ("a key that is no Base64", (*upgrade, f"Sec-WebSocket-Key: {KEY[:-3]}!==")),
        ("no key", upgrade),
        ("another version", (*upgrade[:2], "Sec-WebSocket-Version: 8", f"Sec-WebSocket-Key: {KEY}")),
        ("no upgrade", (f"Sec-WebSocket-Key: {KEY}",)),
    ]
    for what, lines in wrong:
        with api.connect() as connection:
            connection.sendall(api.head("/ws/realtime", "Connection: close", *lines, method="GET"))
            head, _, body = answer(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 "), what
        assert json.loads(body)["error"]["code"] == "bad_request", what
    with api.connect() as connection:
        connection.sendall(api.head("/ws/realtime", *upgrade, f"Sec-WebSocket-Key: {KEY}", method="GET"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")
