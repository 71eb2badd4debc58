"""Every command that is a job writes its events as the settings say, the notifier among them."""

import json
from pathlib import Path

import pytest

from jobs import notify
from jobs.command_line import logging_settings
from netheal.telemetry import emit

pytestmark = pytest.mark.usefixtures("own_logging")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_events_are_written_as_the_settings_say(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    clean_environment.setenv("NETHEAL_LOG_FORMAT", log_format)
    assert logging_settings(tmp_path).paths.var_dir == tmp_path
    emit("job.stopped")
    written = capsys.readouterr().err
    assert "job.stopped" in written and written.startswith("{") is (log_format == "json")
    assert log_format == "text" or json.loads(written)["event"] == "job.stopped"


def test_the_notifier_reads_its_settings_so(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("NETHEAL_LOG_FORMAT", "text")
    assert notify.main(["--var", str(tmp_path)]) == 2
    emit("job.stopped")
    *refused, event = capsys.readouterr().err.splitlines()
    assert any("no channel is set" in line for line in refused)
    assert "job.stopped" in event and not event.startswith("{")
