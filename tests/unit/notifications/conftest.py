"""A certificate, and a message whose words came from strangers."""

from datetime import UTC, datetime

import pytest

from netheal.notifications.message import Message
from tests.notification_servers import Certificate, make_certificate

AT = datetime(2024, 12, 1, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def message() -> Message:
    """One as it is, in good order."""
    details = {"class": "PortScan", "model": "forest_v1", "n": 312, "sources": 5}
    lines = ("first: 2024-12-01T14:30:00Z", "examples: 1, 2, 3 (netheal verify 1)")
    return Message("17", "notification", "warning", "PortScan: 312 rows from 5 addresses", lines, details)


@pytest.fixture
def hostile() -> Message:
    """With everything in it that ends a line, a header, a field or a frame somewhere."""
    text = 'x\r\nBcc: victim@example.org\n\n.\r\nQUIT\r\n\x00\x1b[31m"]\\ \u2028\u202e<0>1 é😀'
    return Message("18", "notification", "error", text, (text, text), {"class": text, "model": text})
