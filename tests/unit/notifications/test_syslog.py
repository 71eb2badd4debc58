"""Syslog against real receivers, and its records by the grammar of RFC 5424."""

import re
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netheal.errors import SettingsError
from netheal.notifications.channel import DeliveryFailed
from netheal.notifications.message import Message
from netheal.notifications.syslog import Syslog, record_of
from tests.conftest import Eventually
from tests.notification_servers import Certificate, syslog_server
from tests.unit.notifications.conftest import AT

_RECORD = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) netheal (\d+) ([!-~]{1,32})"
    rb" \[netheal@32473((?: [a-z_]{1,32}=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\] \xef\xbb\xbf(.*)",
    re.DOTALL,
)


def parsed(record: bytes) -> tuple[int, str, str]:
    """Priority, structured data and text of a record that keeps to the grammar."""
    found = _RECORD.fullmatch(record)
    assert found is not None, record
    text = found[7].decode()
    assert text.isprintable() and found[6].decode("ascii").isprintable()
    return int(found[1]), found[6].decode(), text


def test_a_record_has_priority_facts_and_one_line_of_text(message: Message) -> None:
    priority, facts, text = parsed(record_of(message, AT, 2048))
    assert priority == 16 * 8 + 4
    assert facts == ' id="17" class="PortScan" model="forest_v1" n="312" sources="5"'
    assert text.startswith("PortScan: 312 rows from 5 addresses | first: 2024")


def test_what_strangers_wrote_keeps_to_the_grammar_and_the_length(hostile: Message) -> None:
    _, facts, _ = parsed(record_of(hostile, AT, 2048))
    assert '\\"\\]\\\\' in facts
    long = Message("1", "notification", "info", "é😀" * 4000)
    record = record_of(long, AT, 2048)
    assert len(record) <= 2048 and parsed(record)[2].startswith("é😀")


def test_udp(message: Message, eventually: Eventually) -> None:
    with syslog_server(stream=False) as server:
        Syslog(f"udp://127.0.0.1:{server.port}").send(message)
        eventually(lambda: bool(server.received))
    assert parsed(server.received[0])[2].startswith("PortScan")


def test_tcp_frames_by_counted_octets(message: Message, hostile: Message, eventually: Eventually) -> None:
    with syslog_server(stream=True) as server:
        for each in (message, hostile):
            Syslog(f"tcp://127.0.0.1:{server.port}").send(each)
        eventually(lambda: len(server.received) == 2)
    for received in server.received:
        count, _, record = received.partition(b" ")
        assert int(count) == len(record)
        parsed(record)


def test_tls_is_verified(message: Message, certificate: Certificate, eventually: Eventually) -> None:
    with syslog_server(stream=True, certificate=certificate) as server:
        url = f"tls://localhost:{server.port}"
        with pytest.raises(DeliveryFailed, match=r"(?i)certificate"):
            Syslog(url).send(message)
        Syslog(url, certificate.trust).send(message)
        eventually(lambda: any(server.received))
    (received,) = filter(None, server.received)
    parsed(received.partition(b" ")[2])


def test_the_local_socket(message: Message, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(5)
        Syslog(f"unix://{path}").send(message)
        parsed(receiver.recv(4096))


def test_nobody_there_is_a_failure(message: Message, tmp_path: Path) -> None:
    with syslog_server(stream=True) as server:
        port = server.port
    for url in (
        f"tcp://127.0.0.1:{port}",
        f"unix://{tmp_path / 'nothing'}",
        "tcp://no-such-host.invalid",
        f"udp://{'x' * 70}",
    ):
        with pytest.raises(DeliveryFailed):
            Syslog(url).send(message)


@pytest.mark.parametrize("url", ["host:514", "udp://", "udp://h/path", "unix://", "http://h", "udp://h:x", "tcp://u@h"])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="NETHEAL_NOTIFY_SYSLOG_URL"):
        Syslog(url)


def test_the_time_is_utc(message: Message) -> None:
    assert b" 2024-12-01T14:30:00.000000Z " in record_of(message, datetime(2024, 12, 1, 14, 30, tzinfo=UTC), 2048)
