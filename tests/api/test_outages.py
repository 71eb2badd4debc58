"""Outages and the job's state, as the store keeps them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobs.stages.state_reporter import StateReporter
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.outages import begin_outage, end_outage, page_of_outages, record_outage
from netheal.store.stream_state import StreamState, read_state
from tests.stack.harness import eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(api_settings: Settings) -> Iterator[Connection]:
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


def test_one_outage_a_subject_is_open_at_a_time(connection: Connection) -> None:
    begin_outage(connection, "broker", "it does not answer", NOON)
    begin_outage(connection, "broker", "it still does not answer", NOON + timedelta(seconds=5))
    end_outage(connection, "broker", NOON + timedelta(seconds=9))
    end_outage(connection, "broker", NOON + timedelta(seconds=99))
    (outage,) = page_of_outages(connection)
    assert (outage.subject, outage.reason, outage.started_at, outage.ended_at) == (
        "broker",
        "it does not answer",
        NOON,
        NOON + timedelta(seconds=9),
    )


def test_outages_come_newest_first_and_in_pages(connection: Connection) -> None:
    for n in range(3):
        record_outage(connection, "postgres", f"outage {n}", NOON, NOON + timedelta(minutes=n), {"n": n})
    first, second = page_of_outages(connection, limit=2)
    (last,) = page_of_outages(connection, before=second.id)
    assert [o.details["n"] for o in (first, second, last)] == [2, 1, 0]


def test_the_job_reports_changes_at_once_and_its_end(connection: Connection, api_settings: Settings) -> None:
    def reported() -> StreamState | None:
        return read_state(connection, "flows")

    assert reported() is None
    with StateReporter(api_settings.postgres.dsn.get_secret_value(), "flows", heartbeat_s=3600) as reporter:
        eventually(lambda: (reported() or StreamState("stopped", "")).state == "starting", "the first report is there")
        reporter.report("retrying", "batch 3 fails", {"batch_id": 3})
        eventually(lambda: (reported() or StreamState("stopped", "")).reason == "batch 3 fails", "the change is there")
        reporter.report("stopped")
    last = reported()
    assert last is not None
    assert (last.state, last.reason, last.details, last.alive) == ("stopped", "", {}, False)


def test_a_start_after_a_failure_does_not_hide_it(connection: Connection, api_settings: Settings) -> None:
    with StateReporter(api_settings.postgres.dsn.get_secret_value(), "flows", heartbeat_s=3600) as reporter:
        reporter.report_start("awaiting the broker")
        eventually(lambda: (state := read_state(connection, "flows")) and state.reason == "awaiting the broker", "told")
        reporter.report("retrying", "batch 3 fails", {"batch_id": 3})
        reporter.report_start("awaiting the broker")
    last = read_state(connection, "flows")
    assert last is not None
    assert (last.state, last.reason, last.details) == ("retrying", "batch 3 fails", {"batch_id": 3})


def test_a_heartbeat_keeps_the_job_alive_and_its_absence_does_not(
    connection: Connection, api_settings: Settings
) -> None:
    with StateReporter(api_settings.postgres.dsn.get_secret_value(), "flows", heartbeat_s=0.05) as reporter:
        reporter.report("running")
        eventually(lambda: read_state(connection, "flows") is not None, "the job reports")
        first = read_state(connection, "flows")
        with connection, connection.cursor() as cursor:
            cursor.execute("update stream_states set heartbeat_at = heartbeat_at - interval '1 hour'")
        eventually(lambda: (state := read_state(connection, "flows")) and state.alive, "the heartbeat is renewed")
        assert first is not None
    with connection, connection.cursor() as cursor:
        cursor.execute("update stream_states set heartbeat_at = heartbeat_at - interval '16 seconds'")
    late = read_state(connection, "flows")
    assert late is not None
    assert not late.alive
