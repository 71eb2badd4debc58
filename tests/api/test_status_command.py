"""`netheal status` and `netheal doctor` agree on what is well, and name what is not."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from netheal.cli import doctor as doctoring
from netheal.cli import status_command as status_commands
from netheal.cli.status import Status, StatusReader
from netheal.cli.status_command import Recent, SystemStatus, read_system_status, status_command
from netheal.host.disk import DiskSpace
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.drift import ActiveDrift
from netheal.store.outages import begin_outage, record_outage
from netheal.store.progress import ActiveVersion, Progress
from netheal.store.stream_state import StreamState
from netheal.store.totals import RowCounts

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def of(stream: StreamState | None = None) -> Status:
    return Status(Progress(stream=stream))


RUNS = of(StreamState("running", ""))


def seen(figures: Status | None = RUNS, job: int | None = 7, disk: str = "", trouble: str = "") -> SystemStatus:
    return SystemStatus(True, "var", 1, 2.0, {"job": {"pid": job, "port": None}}, "", disk, trouble, figures)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (seen(), ""),
        (seen(disk="disk full: at /data"), "disk full: at /data"),
        (seen(figures=None, trouble="Postgres does not answer"), "Postgres does not answer"),
        (seen(job=None), "not running: job"),
        (seen(of()), "its stream has not reported yet"),
        (seen(of(StreamState("retrying", "batch 7 failed"))), "its stream is retrying: batch 7 failed"),
        (seen(of(StreamState("running", "", heartbeat_age_s=60.0))), "its stream is silent"),
    ],
)
def test_both_commands_tell_the_same_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, found: SystemStatus, problem: str
) -> None:
    monkeypatch.setattr(status_commands, "read_system_status", lambda _: found)
    monkeypatch.setattr(doctoring, "read_system_status", lambda _: found)
    assert found.problem == problem
    assert status_command(settings, as_json=False, console=Console(quiet=True)) == (1 if problem else 0)
    check = doctoring.doctor(settings)[-1]
    assert check.ok is not bool(problem) and problem in check.text


def test_an_outage_that_lasts_is_shown_however_many_came_after_it(
    database: Connection, api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_outage(database, "job", "it froze", NOW)
    for _ in range(101):
        record_outage(database, "broker", "it was away", NOW, NOW)
    monkeypatch.setattr(StatusReader, "lag", lambda _: 0)
    named = api_settings.replaced(kafka_bootstrap_servers="127.0.0.1:1")
    assert [outage.subject for outage in read_system_status(named).outages] == ["job"]


def test_everything_is_seen_at_a_glance() -> None:
    model = ActiveVersion("threat_detector", "forest_v1", "h", activated_at=datetime.now(UTC) - timedelta(days=5))
    drift = ActiveDrift("threat_detector", "forest_v1", "alarm", 1.25, ((" Flow Duration", 3.0),), datetime.now(UTC))
    progress = Progress(stream=StreamState("running", ""), active=(model,), drift=(drift,))
    figures = Status(progress, lag=1_200)
    rows = RowCounts({"prediction": {"attack": 30, "normal": 66}, "rejected": {"nan": 4}})
    recent = Recent(rows, 95.0, {"0.5": 0.3, "0.95": 2.0})
    disks = tuple(DiskSpace(Path(name), free * 2**30, 10 * 2**30) for name, free in {"/a": 9, "/b": 3}.items())
    found = SystemStatus(
        True,
        "var",
        1,
        2.0,
        figures=figures,
        recent=recent,
        disks=disks,
        job_metrics_url="http://127.0.0.1:8001/metrics",
    )
    shown = Console(file=io.StringIO(), width=200)
    status_commands._print(found, shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    for told in (
        "1,200 rows, the oldest is 1 min old",
        "4.0% of the rows rejected, latency p50 at most 0.3 s, latency p95 at most 2 s",
        "forest_v1 (active for 5 days)",
        "alarm: traffic of the threat detector forest_v1, mean PSI 1.25, most in Flow Duration",
        "3.0 GiB of 10.0 GiB free at /b",
        "http://127.0.0.1:8001/metrics",
    ):
        assert told in text, text
    document = status_commands.document(found)
    assert document["lag_s"] == 95.0 and document["recent"]["rejected_share"] == 0.04
    assert document["active_models"][0]["version"] == "forest_v1"
    assert document["drift"][0]["features"] == {" Flow Duration": 3.0}
    assert document["disks"][1]["free_bytes"] == 3 * 2**30
