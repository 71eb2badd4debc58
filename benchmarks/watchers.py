"""WebSocket clients by the hundred, in a process of their own: some read, some never do.

They are no library's: one thread takes bytes from all of them, so that they leave the processor to what is measured.
"""

import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

_GREETING_S = 60.0
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass
class Seen:
    """What came, over the clients that read; `counted` is one of them whose messages are all looked at."""

    bytes: int = 0
    lost: int = 0
    counted_rows: int = 0
    counted_skipped: int = 0
    opened: int = 0
    refused: int = 0


class Watchers:
    """The process, from `with` to its end; `finish` gives what they saw."""

    def __init__(self, port: int, live: int, stalled: int) -> None:
        argv = [sys.executable, "-m", "benchmarks.watchers", str(port), str(live), str(stalled)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        """Come back when all are connected."""
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "connected":
            raise RuntimeError("the WebSocket clients did not connect")
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._process.kill()
        self._process.wait()

    def finish(self) -> dict[str, Any]:
        """Every client goes; what they saw."""
        found: dict[str, Any] = json.loads(self._process.communicate("go\n", timeout=60)[0].splitlines()[-1])
        return found


def _open(port: int, reads: bool) -> socket.socket:
    client = socket.socket()
    if not reads:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(_GREETING_S)
    client.connect(("127.0.0.1", port))
    lines = [
        "GET /ws/realtime HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    return client


def _is_open(client: socket.socket) -> bytes | None:
    """What came after the handshake, None where there was none."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(4096)
        if not part:
            return None
        head += part
    status, _, rest = head.partition(b"\r\n\r\n")
    return rest if b" 101 " in status.splitlines()[0] else None


def _take(frames: bytearray, seen: Seen) -> None:
    """Count whole frames, and leave what is cut."""
    at = 0
    while len(frames) - at >= 10:
        size, start = frames[at + 1], at + 2
        if size == 126:
            size, start = struct.unpack_from("!H", frames, start)[0], start + 2
        elif size == 127:
            size, start = struct.unpack_from("!Q", frames, start)[0], start + 8
        if start + size > len(frames):
            break
        payload = bytes(frames[start : start + size])
        if frames[at] == 0x81:
            document = json.loads(payload)
            seen.counted_rows += document["type"] == "prediction"
            seen.counted_skipped += document.get("skipped", 0)
        at = start + size
    del frames[:at]


def _watch(port: int, live: int, stalled: int) -> Seen:
    seen = Seen()
    clients = [_open(port, n < live) for n in range(live + stalled)]
    first = bytearray()
    selector = selectors.DefaultSelector()
    for n, client in enumerate(clients):
        rest = _is_open(client)
        seen.opened += rest is not None
        seen.refused += rest is None
        if n == 0:
            first.extend(rest or b"")
        if n < live and rest is not None:
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ, n)
    selector.register(sys.stdin, selectors.EVENT_READ, -1)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select():
            if key.data < 0:
                return seen
            data = os.read(key.fd, 65_536)
            seen.bytes += len(data)
            if not data:
                seen.lost += 1
                selector.unregister(key.fileobj)
            elif key.data == 0:
                first += data
                _take(first, seen)
        # In bites, as a browser's frames are: not a system call for every write of the server.
        time.sleep(0.02)


if __name__ == "__main__":
    result = _watch(*map(int, sys.argv[1:4]))
    sys.stdout.write(json.dumps(asdict(result)) + "\n")
