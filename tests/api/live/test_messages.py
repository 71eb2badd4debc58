"""Every message has the shape that was promised, to the key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.live.messages import (
    close_frame,
    connection_frame,
    lag_frame,
    ping_frame,
    read_message,
    status_frame,
    text_frame,
)
from tests.api.live.rows import message, payload, row, schema

NOW = datetime(2026, 11, 22, 20, 22, 33, 120_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("connection", connection_frame(NOW)),
        ("ping", ping_frame(NOW)),
        ("lag", lag_frame(NOW, 17)),
        ("status", status_frame(NOW, "away", "the broker does not answer")),
        ("status", status_frame(NOW, "back", "the broker answers again")),
    ],
)
def test_what_is_no_row(name: str, frame: bytes) -> None:
    document = payload(frame)
    schema(name).validate(document)
    assert document["timestamp"] == "2026-11-22T20:22:33.120Z"
    assert connection_frame(NOW) and document["type"] == name


@pytest.mark.parametrize(
    "how",
    [
        {"class_name": "DDoS"},
        {"class_name": "Web Attack – XSS", "score": 0.75},
        {"class_name": None, "score": 0.25},
        {"event_id": 2**53 - 1},
    ],
)
def test_a_row_has_the_contracts_keys_and_no_other_unless_more_is_asked_for(how: dict[str, Any]) -> None:
    found = message(**how)
    schema("prediction").validate(payload(found.frame))
    schema("prediction_full").validate(payload(found.full_frame))
    assert not schema("prediction").is_valid(payload(found.full_frame))
    assert found.full_frame.endswith(row(**how))


def test_a_frame_is_made_once() -> None:
    found = message()
    assert found.frame is found.frame


def test_the_length_of_a_frame_is_written_in_three_ways() -> None:
    assert text_frame(b"x" * 125)[:2] == bytes((0x81, 125))
    assert text_frame(b"x" * 126)[:4] == bytes((0x81, 126, 0, 126))
    assert text_frame(b"x" * 65_536)[:10] == bytes((0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0))
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"


@pytest.mark.parametrize("raw", [None, b"", b"{}", b"[]", b'{"type":"ping"}', b"\xff", row()[:-1]])
def test_what_is_no_prediction_is_left_out(raw: bytes | None) -> None:
    assert read_message(raw, 0) is None
