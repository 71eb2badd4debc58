"""`conf/proxy/nginx.conf.template` in a real nginx, in front of a real API."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from netheal.host.ports import answers, choose_port
from netheal.settings import PROJECT_ROOT
from netheal.store.database import Connection
from netheal.store.tokens import create_token
from tests.api.served import Serve, Served, answer
from tests.api.uploads.conftest import THREAT_CSV
from tests.deadlines import DEADLINE_S, REQUEST_S, STOP_S

CONF = PROJECT_ROOT / "conf" / "proxy" / "nginx.conf.template"
MAIN = """
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include netheal.conf;
}
"""
FEW_THREADS = {"NETHEAL_API_THREADS": "4"}
STATS = "/api/v1/predictions/stats"
# Not by websockets' client, whose two threads read and write one TLS socket at once, which may hang it.
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
CONNECTIONS = 100
"""What one address may have open, as the configuration says."""


class Proxy:
    """nginx as a child process, in a folder of its own, in front of an API that asks nobody on loopback for a token."""

    def __init__(self, api: Served, folder: Path, token: str) -> None:
        self.api, self.token, self.port = api, token, choose_port()
        self.url = f"https://localhost:{self.port}"
        self.certificate = folder / "certificate.pem"
        self._log = folder / "nginx.log"
        make_certificate(self.certificate, folder / "key.pem")
        (folder / "nginx.conf").write_text(MAIN)
        (folder / "netheal.conf").write_text(self._configuration())
        self.process = subprocess.Popen(
            ["nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", str(self._log)], stdin=subprocess.DEVNULL
        )

    def _configuration(self) -> str:
        """The lines marked "yours" changed, and nothing else."""
        own = {
            "PROXY_UPSTREAM": f"{self.api.address['host']}:{self.api.address['port']}",
            "PROXY_LISTEN": f"127.0.0.1:{self.port}",
            "PROXY_NAME": "localhost",
            "PROXY_CERTIFICATE": "certificate.pem",
            "PROXY_KEY": "key.pem",
        }
        text = CONF.read_text()
        assert text.count("# yours") == len(own)
        for name, value in own.items():
            assert text.count(f"${{{name}}}") == 1
            text = text.replace(f"${{{name}}}", value)
        return text

    def wait_ready(self) -> "Proxy":
        wait_until(lambda: self.process.poll() is not None or answers(self.port))
        assert self.process.poll() is None, self._log.read_text()
        return self

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, verify=str(self.certificate), timeout=REQUEST_S)

    def connect(self, sent: bytes) -> ssl.SSLSocket:
        """A connection over TLS on which so much was sent."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=REQUEST_S)
        connection = self.tls.wrap_socket(plain, server_hostname="localhost")
        connection.sendall(sent)
        return connection

    def head(self, path: str, *lines: str, method: str = "POST", token: str | None = None) -> bytes:
        bearer = f"Authorization: Bearer {token or self.token}"
        return "\r\n".join(
            [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", bearer, *lines, "", ""]
        ).encode()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_S)


def make_certificate(certificate: Path, key: Path) -> None:
    """For localhost, signed by itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True, timeout=REQUEST_S,
    )  # fmt: skip


def wait_until(holds: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < limit_s
        time.sleep(0.05)


@pytest.fixture
def proxy(serve: Serve, database: Connection, tmp_path: Path) -> Iterator[Proxy]:
    for program in ("nginx", "openssl"):
        if shutil.which(program) is None:
            missing = pytest.fail if os.environ.get("CI") else pytest.skip
            missing(f"{program} is not installed: apt-get install {program}")
    _, token = create_token(database, "anna", "analyst", "test", None)
    api = serve(NETHEAL_API_HOSTS='["localhost"]', **FEW_THREADS).wait_ready()
    folder = tmp_path / "nginx"
    folder.mkdir()
    started = Proxy(api, folder, token)
    try:
        yield started.wait_ready()
    finally:
        started.stop()


def told(response: requests.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.usefixtures("starters")
def test_pages_uploads_and_websockets_go_through(proxy: Proxy) -> None:
    assert proxy.get("/health/live").json() == {"live": True}
    page = proxy.get("/")
    assert "<title>" in page.text and page.headers["Content-Security-Policy"]
    assert page.headers["Strict-Transport-Security"]
    same_origin = {"Origin": proxy.url, **proxy.bearer}
    assert proxy.get(STATS, **same_origin).status_code == 200
    uploaded = requests.post(
        f"{proxy.url}/api/v1/upload/csv",
        files={"file": ("flows.csv", THREAT_CSV)},
        headers=same_origin,
        verify=str(proxy.certificate),
        timeout=REQUEST_S,
    )
    assert uploaded.status_code == 200 and uploaded.json()["total_rows"] == 3
    with proxy.connect(proxy.head("/ws/realtime", *UPGRADE, f"Origin: {proxy.url}", method="GET")) as watching:
        received = watching.recv(65_536)
        assert received.startswith(b"HTTP/1.1 101 ")
        while b'"connection"' not in received:
            received += watching.recv(65_536)


def test_who_comes_through_the_proxy_needs_a_token_although_it_is_on_loopback(proxy: Proxy) -> None:
    assert requests.get(f"{proxy.api.address['url']}{STATS}", timeout=REQUEST_S).status_code == 200
    assert told(proxy.get(STATS)) == told(proxy.get(STATS, **{"X-Forwarded-For": "127.0.0.1"})) == (401, "unauthorized")
    with proxy.connect(proxy.head("/ws/realtime", *UPGRADE, method="GET", token="nh_unknown")) as watching:
        assert watching.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize("path", ["/api/v1/upload/csv", "/api/v1/models/upload", "/api/v1/traffic"])
def test_a_large_body_without_a_token_is_refused_before_it_is_sent(proxy: Proxy, path: str) -> None:
    length = f"Content-Length: {16 * 2**20}"
    with proxy.connect(proxy.head(path, length, "Connection: close", token="nh_unknown")) as stranger:
        head, _, body = answer(stranger).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ") and json.loads(body)["error"]["code"] == "unauthorized"


def test_where_readers_need_no_token_a_large_body_still_does(proxy: Proxy, serve: Serve) -> None:
    proxy.api.process.terminate()
    proxy.api.process.wait(STOP_S)
    port = str(proxy.api.address["port"])
    serve(NETHEAL_API_HOSTS='["localhost"]', NETHEAL_API_ANONYMOUS_ROLE="viewer", NETHEAL_API_PORT=port).wait_ready()
    assert proxy.get(STATS).status_code == 200
    head = proxy.head("/api/v1/upload/csv", f"Content-Length: {16 * 2**20}", "Connection: close")
    nobody = b"".join(line for line in head.splitlines(keepends=True) if not line.startswith(b"Authorization"))
    with proxy.connect(nobody) as stranger:
        assert answer(stranger).startswith(b"HTTP/1.1 401 ")


def test_slow_clients_hold_no_thread_and_are_cut(proxy: Proxy) -> None:
    """Three times as many of each kind as the API has threads."""
    body = proxy.head("/api/v1/traffic", "Content-Type: application/json", "Content-Length: 1000") + b"[{"
    slow = [proxy.connect(sent) for sent in (b"GET / HTTP/1.1\r\nHost:", body) for _ in range(12)]
    unread = [proxy.connect(proxy.head("/docs/swagger-ui-bundle.js", method="GET")) for _ in range(12)]
    for connection in unread:
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert proxy.get(STATS, **proxy.bearer).status_code == 200
    assert proxy.api.is_well()
    assert all(map(is_open, slow)), "none of them is cut yet"
    assert all(answer(connection) == b"" for connection in slow)
    for connection in (*slow, *unread):
        connection.close()


def is_open(connection: ssl.SSLSocket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) != b""
    except ssl.SSLWantReadError:
        return True
    finally:
        connection.settimeout(REQUEST_S)


def test_what_one_address_may_have_open_is_bounded(proxy: Proxy) -> None:
    head = proxy.head("/api/v1/tokens", "Content-Length: 1000")
    opened = [proxy.connect(head) for _ in range(CONNECTIONS)]
    wait_until(lambda: told_of(proxy, head) == (429, "too_many_requests"))
    for connection in opened:
        connection.close()
    wait_until(lambda: proxy.get("/health/live").status_code == 200)


def told_of(proxy: Proxy, head: bytes) -> tuple[int, str] | None:
    """Status and code of the error that such a head is answered with at once, None where its body is waited for."""
    with proxy.connect(head) as connection:
        connection.settimeout(1)
        try:
            head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
        except TimeoutError:
            return None
    assert b"Retry-After: 5" in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def test_errors_of_the_proxy_have_the_shape_of_the_apis(proxy: Proxy) -> None:
    with proxy.connect(proxy.head("/api/v1/tokens", f"Content-Length: {2 * 2**20}", "Connection: close")) as large:
        head, _, body = answer(large).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and json.loads(body)["error"]["code"] == "too_large"
    proxy.api.process.terminate()
    proxy.api.process.wait(STOP_S)
    gone = proxy.get("/health/live")
    assert told(gone) == (502, "service_unavailable") and gone.headers["Retry-After"] == "5"
    with proxy.connect(proxy.head("/api/v1/upload/csv", "Content-Length: 9", "Connection: close")) as upload:
        assert answer(upload).startswith(b"HTTP/1.1 503 ")
