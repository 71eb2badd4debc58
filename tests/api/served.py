"""`python -m api.server` as a process of its own, and plain sockets to it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from netheal.embedded.stack import job_environment
from netheal.settings import PROJECT_ROOT, Settings


class Served:
    """`python -m api.server` under the settings of a test."""

    def __init__(self, settings: Settings, log: Path, **env: str) -> None:
        self.settings = settings
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.server"],
                cwd=PROJECT_ROOT,
                env={**os.environ, **job_environment(settings), "NETHEAL_API_PORT": "0", **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def note(self) -> Path:
        return self.settings.paths.var_dir / "api.json"

    def wait_ready(self, deadline_s: float = 40.0) -> "Served":
        limit = time.monotonic() + deadline_s
        while not self.note.exists():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < limit, self.output()
            time.sleep(0.05)
        self.address = json.loads(self.note.read_text())
        return self

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address["host"], self.address["port"]), timeout=30)

    def head(self, path: str, *lines: str, method: str = "POST") -> bytes:
        """The head of a request to it."""
        host = f"{self.address['host']}:{self.address['port']}"
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()

    def is_well(self) -> bool:
        """Whether it answers somebody new."""
        with self.connect() as connection:
            connection.sendall(self.head("/health/live", "Connection: close", method="GET"))
            return b" 200 OK" in answer(connection)

    def output(self) -> str:
        return self.log.read_text()


Serve = Callable[..., Served]


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or resets."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)
