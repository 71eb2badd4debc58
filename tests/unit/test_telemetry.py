"""Logs as JSON or text; one that cannot be written costs its lines, and nothing else."""

import json
import logging
from pathlib import Path
from typing import get_args

import pytest

from netheal.telemetry import Event, LogFormat, configure_logging, emit, emitted_events

LOADED = "Loaded real ensemble model v2 from: /var/artefacts/abc"


@pytest.mark.usefixtures("own_logging")
def test_a_full_disk_is_no_error_of_whoever_logs() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")
    configure_logging(full)
    emit("job.started")


def logged(tmp_path: Path, log_format: LogFormat) -> str:
    """What one of our events, a library's warning and an exception look like."""
    file = tmp_path / "log"
    configure_logging(file, log_format)
    emit("model.loaded", version="v2", message=LOADED)
    logging.getLogger("py4j").warning("lost %s", "a socket")
    try:
        raise ValueError("broken\nin two")
    except ValueError as error:
        emit("thread.failed", thread="a", exc_info=error)
    return file.read_text("utf-8")


@pytest.mark.usefixtures("own_logging")
def test_as_json_every_line_is_an_object_of_a_library_too(tmp_path: Path) -> None:
    found = [json.loads(line) for line in logged(tmp_path, "json").splitlines()]
    assert [event["event"] for event in found] == ["model.loaded", "library.logged", "thread.failed"]
    assert found[1]["logger"] == "py4j" and found[1]["message"] == "lost a socket" and found[1]["level"] == "warning"
    assert "ValueError: broken" in found[2]["exception"]
    assert all(event["timestamp"].endswith("Z") for event in found)


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_users_look_for_is_found_in_both(tmp_path: Path, log_format: LogFormat) -> None:
    text = logged(tmp_path, log_format)
    assert LOADED in text and "lost a socket" in text and "ValueError: broken" in text


@pytest.mark.usefixtures("own_logging")
def test_as_text_a_line_begins_with_its_time(tmp_path: Path) -> None:
    lines = logged(tmp_path, "text").splitlines()
    assert [line.split()[0].endswith("Z") for line in lines[:3]] == [True] * 3
    assert "\x1b" not in "".join(lines)


@pytest.mark.usefixtures("own_logging")
def test_events_are_counted_and_known_before_the_first(tmp_path: Path) -> None:
    before = emitted_events()
    logged(tmp_path, "json")
    after = emitted_events()
    assert after["model.loaded"] == before["model.loaded"] + 1
    assert set(before) == set(get_args(Event))
