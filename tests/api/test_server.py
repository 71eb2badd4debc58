"""The API as a process of its own: found, stopped, refused, and not held up by slow clients."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from api.pace import PacedWorker
from netheal.embedded.stack import job_environment
from netheal.settings import PROJECT_ROOT, Settings

Serve = Callable[..., "Served"]


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
        return self.settings.var_dir / "api.json"

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

    def output(self) -> str:
        return self.log.read_text()


@pytest.fixture
def serve(api_settings: Settings, tmp_path: Path) -> Iterator[Serve]:
    served: list[Served] = []

    def start(**env: str) -> Served:
        served.append(Served(api_settings, tmp_path / f"api-{len(served)}.log", **env))
        return served[-1]

    yield start
    for one in served:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or resets."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def head(served: Served, path: str, *lines: str) -> bytes:
    host = f"{served.address['host']}:{served.address['port']}"
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


def test_it_says_where_it_is_and_ends_on_sigterm(serve: Serve) -> None:
    api = serve().wait_ready()
    assert "pyarrow" not in Path(f"/proc/{api.process.pid}/maps").read_text()  # its threads would not survive the fork
    assert api.address["pid"] == api.process.pid
    assert requests.get(api.address["url"] + "/health/live", timeout=20).status_code == 200
    api.process.terminate()
    assert api.process.wait(15) == 0
    assert not api.note.exists()
    events = [json.loads(line)["event"] for line in api.output().splitlines()]
    assert events[0] == "api.started" and events[-1] == "api.stopped"


def test_gunicorn_takes_orders_from_the_settings_only(serve: Serve) -> None:
    api = serve(GUNICORN_CMD_ARGS="--bind 127.0.0.1:1 --workers 3", WEB_CONCURRENCY="3").wait_ready()
    children = Path(f"/proc/{api.process.pid}/task/{api.process.pid}/children")
    assert len(children.read_text().split()) == 1


def test_a_body_of_unknown_length_is_refused(serve: Serve) -> None:
    api = serve().wait_ready()
    with api.connect() as connection:
        chunk = b"%x\r\n%b\r\n" % (2**18, b" " * 2**18)
        connection.sendall(head(api, "/api/v1/tokens", "Content-Type: application/json", "Transfer-Encoding: chunked"))
        connection.sendall(chunk * 4 + b"1\r\nx\r\n")
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 411 ") and b"length_required" in reply


def test_a_body_that_stops_coming_is_answered_with_408(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="0.5").wait_ready()
    with api.connect() as connection:
        connection.sendall(
            head(api, "/api/v1/traffic", "Content-Type: application/json", "Content-Length: 100") + b"[{"
        )
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in reply


def test_a_body_that_drips_is_given_up_although_bytes_come(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="1").wait_ready()
    with api.connect() as connection:
        connection.sendall(head(api, "/api/v1/traffic", "Content-Type: application/json", "Content-Length: 9999"))
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


def test_headers_that_stop_coming_hold_no_thread(serve: Serve) -> None:
    api = serve(NETHEAL_API_BODY_TIMEOUT_S="1", NETHEAL_API_THREADS="4").wait_ready()
    slow = [api.connect() for _ in range(8)]
    for connection in slow:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost:")
    assert requests.get(api.address["url"] + "/health/live", timeout=20).status_code == 200
    assert all(answer(connection) == b"" for connection in slow)


def test_clients_that_keep_their_end_open_hold_nobody_up(serve: Serve) -> None:
    api = serve().wait_ready()
    host = f"{api.address['host']}:{api.address['port']}".encode()
    lazy = [api.connect() for _ in range(6)]
    for connection in lazy:
        connection.sendall(b"GET /health/live HTTP/1.0\r\nHost: " + host + b"\r\n\r\n")
    began = time.monotonic()
    assert all(b" 200 OK" in answer(connection) for connection in lazy)
    assert requests.get(api.address["url"] + "/health/live", timeout=20).status_code == 200
    assert time.monotonic() - began < 6, "gunicorn would wait two seconds for each of them"


def test_a_head_that_does_not_come_is_given_up_soon(serve: Serve) -> None:
    api = serve().wait_ready()
    with api.connect() as connection:
        began = time.monotonic()
        connection.sendall(b"G")
        assert answer(connection) == b""
    assert time.monotonic() - began < 15, "a body has thirty seconds, a head three"


def test_without_a_file_left_a_connection_waits_and_the_worker_goes_on() -> None:
    class Listener:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    PacedWorker.accept(object.__new__(PacedWorker), Listener())


def test_an_address_that_others_reach_is_refused_without_an_admins_token(serve: Serve) -> None:
    api = serve(NETHEAL_API_HOST="0.0.0.0")
    assert api.process.wait(40) == 2
    assert "netheal tokens create NAME --role admin" in api.output().splitlines()[-1]


def test_a_port_that_is_taken_is_one_sentence(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = serve(NETHEAL_API_PORT=str(taken.getsockname()[1]))
        assert api.process.wait(40) == 2
    assert api.output().splitlines()[-1].startswith(f"port {taken and api.output().split()[1]} is taken")


def test_tokens_open_it_once_they_are_asked_for(serve: Serve) -> None:
    first = serve().wait_ready()
    made = requests.post(f"{first.address['url']}/api/v1/tokens", json={"name": "root", "role": "admin"}, timeout=20)
    first.process.terminate()
    first.process.wait(15)
    api = serve(NETHEAL_API_TOKENS_REQUIRED="true").wait_ready()
    url = f"{api.address['url']}/api/v1/tokens"
    assert requests.get(url, timeout=20).status_code == 401
    assert requests.get(url, headers={"X-Forwarded-For": "127.0.0.1"}, timeout=20).status_code == 401
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert requests.get(url, headers=bearer, timeout=20).status_code == 200
