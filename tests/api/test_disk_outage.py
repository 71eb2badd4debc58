"""A full disk leaves its trace as soon as PostgreSQL can take it, which may be after there is room again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netheal.cli.disk_outage import DiskOutage
from netheal.errors import ServiceUnavailable
from netheal.host.disk import DiskSpace
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.outages import page_of_outages

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
FULL = DiskSpace(Path("/data"), 2**20, 2**30)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=10)
        return self.now


@pytest.fixture
def outage() -> DiskOutage:
    return DiskOutage(Clock())


def kept(database: Connection) -> list[tuple[str, float, float | None]]:
    return [
        (
            o.subject,
            (o.started_at - START).total_seconds(),
            (o.ended_at - START).total_seconds() if o.ended_at else None,
        )
        for o in page_of_outages(database)
    ]


def test_an_outage_from_its_beginning_to_its_end(database: Connection, outage: DiskOutage) -> None:
    for full in (None, FULL, FULL):
        outage.note(full)
    outage.write(database)
    assert kept(database) == [("disk", 20.0, None)]
    assert page_of_outages(database)[0].details == {"path": "/data", "free_bytes": 2**20, "total_bytes": 2**30}
    outage.note(None)
    outage.write(database)
    outage.write(database)
    assert kept(database) == [("disk", 20.0, 30.0)]


def test_what_postgres_could_not_take_is_recorded_later(
    database: Connection, outage: DiskOutage, api_settings: Settings
) -> None:
    dead = connect(api_settings.postgres.dsn.get_secret_value())
    dead.close()
    for full in (FULL, None, FULL):
        outage.note(full)
        with pytest.raises(ServiceUnavailable):
            outage.write(dead)
    outage.write(database)
    assert kept(database) == [("disk", 30.0, None), ("disk", 10.0, 20.0)]


def test_an_outage_that_an_earlier_run_left_open_is_ended(database: Connection) -> None:
    first = DiskOutage(Clock())
    first.note(FULL)
    first.write(database)
    again = DiskOutage(Clock())
    again.note(None)
    again.write(database)
    assert [ended is not None for _, _, ended in kept(database)] == [True]
