"""Small real servers that notifications are sent to: HTTP, SMTP and syslog, each with TLS where it is asked for."""

import http.server
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

_EVERYWHERE = ("127.0.0.1", 0)


@dataclass(frozen=True)
class Certificate:
    """Of localhost, made for one test session, signed by itself."""

    file: Path
    key: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """Of a client that takes this certificate for good."""
        return ssl.create_default_context(cafile=str(self.file))

    @property
    def server(self) -> ssl.SSLContext:
        """Of the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """With the `openssl` of the machine."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    files = ("-keyout", str(made.key), "-out", str(made.file))
    command = ("openssl", "req", "-x509", "-nodes", *curve, "-days", "2", *names, *files)
    subprocess.run(command, check=True, capture_output=True)
    return made


@dataclass(frozen=True)
class Posted:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class WebhookServer:
    """Keeps what is posted; `answer` is the status, and `headers` go with it."""

    url: str = ""
    answer: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None


@contextmanager
def webhook_server(certificate: Certificate | None = None) -> Iterator[WebhookServer]:
    """On a free port."""
    found = WebhookServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posted.append(Posted(self.path, dict(self.headers), body))
            found.before_answer()
            self.send_response(found.answer)
            for name, value in {**found.headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(_EVERYWHERE, Handler)
    if certificate is not None:
        server.socket = certificate.server.wrap_socket(server.socket, server_side=True)
    scheme, host = ("http", "127.0.0.1") if certificate is None else ("https", "localhost")
    found.url = f"{scheme}://{host}:{server.server_port}/hook"
    with _serving(server):
        yield found


@dataclass
class MailServer:
    """Keeps the mails that come, and how they came: (over TLS, login, sender, recipients)."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    ways: list[tuple[bool, str, str, list[str]]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        mail = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
        login = session.auth_data.decode() if isinstance(session.auth_data, bytes) else ""
        self.mails.append(mail)
        self.ways.append((session.ssl is not None, login, envelope.mail_from or "", list(envelope.rcpt_tos)))
        return "250 taken"


@contextmanager
def mail_server(certificate: Certificate | None = None, login: tuple[str, str] | None = None) -> Iterator[MailServer]:
    """STARTTLS is asked for where there is a certificate, and a login where one is named."""
    found = MailServer()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert login is not None and isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == login
        return AuthResult(success=good, handled=False, auth_data=data.login)

    options: dict[str, Any] = {}
    if certificate is not None:
        options |= {"tls_context": certificate.server, "require_starttls": True}
    if login is not None:
        options |= {"authenticator": check, "auth_required": True}
    with socket.socket() as free:
        free.bind(_EVERYWHERE)
        port = free.getsockname()[1]
    controller = Controller(found, hostname="127.0.0.1", port=port, **options)
    controller.start()
    found.address = f"{'127.0.0.1' if certificate is None else 'localhost'}:{port}"
    try:
        yield found
    finally:
        controller.stop()


@dataclass
class SyslogServer:
    """Keeps the bytes of each datagram, or of each connection."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)


@contextmanager
def syslog_server(stream: bool, certificate: Certificate | None = None) -> Iterator[SyslogServer]:
    """UDP or TCP, and TLS with a certificate."""
    found = SyslogServer()

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            found.received.append(self.request[0])

    class Streams(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            found.received.append(self.rfile.read())

    server: socketserver.BaseServer
    if stream:
        tcp = server = socketserver.ThreadingTCPServer(_EVERYWHERE, Streams)
        if certificate is not None:
            tcp.socket = certificate.server.wrap_socket(tcp.socket, server_side=True)
        found.port = tcp.server_address[1]
    else:
        server = socketserver.UDPServer(_EVERYWHERE, Datagrams)
        found.port = server.server_address[1]
    with _serving(server):
        yield found


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
