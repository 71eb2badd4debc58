"""Messages to a syslog server: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425) or the local socket."""

import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from netheal.errors import SettingsError
from netheal.notifications.channel import ANSWER_S, DeliveryFailed
from netheal.notifications.message import Message
from netheal.wording import printable

_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
_FACILITY = 16  # local0
_SEVERITIES = {"error": 3, "warning": 4, "info": 6}
_DATAGRAM_BYTES = 2048
"""What every receiver should take, RFC 5424 section 6.1."""
_STREAM_BYTES = 8192
_ENTERPRISE = "netheal@32473"
"""32473 is the number for those who have none of their own, RFC 5612."""
_MOST_ANSWER_BYTES = 1024
_SHOWN_CHARS = 200


class Syslog:
    """A receiver by its URL; raises SettingsError for what is none. Over UDP nobody can know what was taken."""

    name = "syslog"

    def __init__(self, url: str, trust: ssl.SSLContext | None = None) -> None:
        """`trust` says which certificates are good, the system's unless given."""
        wrong = SettingsError(
            "NETHEAL_NOTIFY_SYSLOG_URL must be udp://host:port, tcp://host:port, tls://host:port or unix:///path"
        )
        try:
            parts = urlsplit(url)
            self._host, port = parts.hostname or "", parts.port
        except ValueError:
            raise wrong from None
        self._scheme, self._path = parts.scheme, parts.path
        sound = bool(self._path) and not self._host if self._scheme == "unix" else bool(self._host) and not self._path
        if self._scheme not in (*_PORTS, "unix") or not sound or parts.query or parts.username:
            raise wrong
        self._port = port or _PORTS.get(self._scheme, 0)
        self._trust = trust

    def send(self, message: Message) -> None:
        """See `Channel`."""
        streamed = self._scheme in ("tcp", "tls")
        record = record_of(message, datetime.now(UTC), _STREAM_BYTES if streamed else _DATAGRAM_BYTES)
        try:
            if streamed:
                with self._stream() as stream:
                    stream.sendall(b"%d " % len(record) + record)
                    _await_end(stream)
            else:
                self._send_datagram(record)
        except (OSError, ValueError) as error:  # the latter of a host name that can be none
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            reason = printable(said or type(error).__name__, _SHOWN_CHARS)
            raise DeliveryFailed(f"the syslog server did not take the message: {reason}") from None

    @contextmanager
    def _stream(self) -> Iterator[socket.socket]:
        with socket.create_connection((self._host, self._port), timeout=ANSWER_S) as plain:
            if self._scheme == "tcp":
                yield plain
                return
            trust = self._trust or ssl.create_default_context()
            with trust.wrap_socket(plain, server_hostname=self._host) as encrypted:
                yield encrypted

    def _send_datagram(self, record: bytes) -> None:
        address: Any = self._path
        family = socket.AF_UNIX
        if self._scheme != "unix":
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, address = found[0][0], found[0][4]
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(ANSWER_S)
            datagrams.connect(address)
            datagrams.send(record)


def record_of(message: Message, now: datetime, most_bytes: int) -> bytes:
    """A record as RFC 5424 has it: the time and the facts as structured data, then the text as one line of UTF-8.

    What does not fit into the bytes is cut off at the end, between two characters.
    """
    priority = _FACILITY * 8 + _SEVERITIES[message.severity]
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host = re.sub(r"[^!-~]", "", socket.gethostname())[:255] or "-"
    head = f"<{priority}>1 {stamp} {host} netheal {os.getpid()} {message.kind} {_structured(message)} "
    text = " | ".join(printable(line, _STREAM_BYTES) for line in (message.title, *message.lines))
    record = head.encode("ascii") + b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    return record if len(record) <= most_bytes else record[:most_bytes].decode(errors="ignore").encode()


def _structured(message: Message) -> str:
    """The plain facts; values are ASCII, as JSON escapes them, and have RFC 5424's own escapes on top."""
    facts = {"id": message.id}
    for name in ("source", "class", "model", "n", "notifications", "sources", "first_at", "last_at"):
        value = message.details.get(name)
        if value is not None:
            facts[name] = str(value)
    return "[" + " ".join([_ENTERPRISE, *(f'{name}="{_escaped(value)}"' for name, value in facts.items())]) + "]"


def _escaped(value: str) -> str:
    ascii_only = json.dumps(printable(value, _SHOWN_CHARS))[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return re.sub(r'(["\\\]])', r"\\\1", ascii_only)


def _await_end(stream: socket.socket) -> None:
    """Say that no more comes, and wait until the other side has read all and closes, or is content to wait, too."""
    stream.settimeout(1.0)
    try:
        if isinstance(stream, ssl.SSLSocket):
            stream.unwrap()
            return
        stream.shutdown(socket.SHUT_WR)
        left = _MOST_ANSWER_BYTES
        while left > 0 and (said := stream.recv(left)):
            left -= len(said)
    except (TimeoutError, ssl.SSLEOFError):
        return
