"""Outages are kept by one API process, also when nobody asks: what, why, and truly from when until when."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from flask.testing import FlaskClient

from api import outage_recorder
from api.health import Problem
from api.observer import Observed, Observer
from api.outage_recorder import OutageRecorder, start_recording
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.outages import begin_outage, page_of_outages, record_outage
from tests.api.served import Serve
from tests.api.stored_rows import read, refused
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.stack.harness import eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BROKER = Problem("broker", "the broker does not answer")
POSTGRES = Problem("postgres", "Postgres does not answer")
FROZEN = Problem("job", "the job has not answered", {"batch_id": 3}, age_s=16.0)
STARTING = Problem("job", "the job is starting", starting=True)
AWAITED = Problem("job", "the job has not reported yet", starting=True, outage=False)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Watched:
    """A recorder that looks every three seconds from noon on; the store can be taken away."""

    def __init__(self, settings: Settings) -> None:
        self.dsn = settings.postgres.dsn.get_secret_value()
        self.away = False
        self.now_s = 0.0
        self.recorder = OutageRecorder(self.open)

    def open(self) -> Connection:
        if self.away:
            raise ServiceUnavailable("Postgres does not answer")
        return connect(self.dsn)

    def see(self, *problems: Problem, until: float) -> None:
        """The same at every look before that second."""
        while self.now_s < until:
            self.recorder.take(problems, at(self.now_s))
            self.now_s += 3.0


@pytest.fixture
def watched(api_settings: Settings) -> Iterator[Watched]:
    made = Watched(api_settings)
    yield made
    made.recorder.close()


@pytest.fixture
def other(api_settings: Settings) -> Iterator[Watched]:
    made = Watched(api_settings)
    yield made
    made.recorder.close()


def kept(database: Connection) -> list[tuple[str, str, datetime, datetime | None]]:
    found = page_of_outages(database)
    return [(outage.subject, outage.reason, outage.started_at, outage.ended_at) for outage in reversed(found)]


def test_an_outage_is_written_while_it_lasts_and_ends_when_all_is_well_again(
    watched: Watched, database: Connection
) -> None:
    watched.see(until=3)
    watched.see(BROKER, until=12)
    assert kept(database) == [("broker", BROKER.reason, at(3), None)]
    watched.see(until=30)
    assert kept(database) == [("broker", BROKER.reason, at(3), at(12))]


def test_a_blip_is_none_and_what_comes_and_goes_is_one(watched: Watched, database: Connection) -> None:
    watched.see(BROKER, until=3)
    watched.see(until=30)
    assert kept(database) == []
    for begin in (30, 42, 54):
        watched.see(BROKER, until=begin + 6)
        watched.see(until=begin + 12)
    watched.see(until=99)
    assert kept(database) == [("broker", BROKER.reason, at(30), at(60))]


def test_postgres_own_outage_and_what_ended_in_it_are_written_afterwards(
    watched: Watched, database: Connection
) -> None:
    watched.see(until=3)
    watched.away = True
    watched.see(POSTGRES, BROKER, until=30)
    watched.see(POSTGRES, until=60)
    watched.away = False
    watched.see(until=75)
    assert sorted(kept(database)) == [
        ("broker", BROKER.reason, at(3), at(30)),
        ("postgres", POSTGRES.reason, at(3), at(60)),
    ]


def test_a_connection_that_is_lost_between_two_looks_loses_nothing(watched: Watched, database: Connection) -> None:
    watched.see(until=3)
    assert watched.recorder._connection is not None
    watched.recorder._connection.close()
    watched.away = True
    watched.see(BROKER, until=15)
    watched.away = False
    watched.see(BROKER, until=18)
    assert kept(database) == [("broker", BROKER.reason, at(3), None)]


def test_a_frozen_job_was_so_since_its_last_heartbeat(watched: Watched, database: Connection) -> None:
    watched.see(until=21)
    watched.see(FROZEN, until=24)
    assert kept(database) == [("job", FROZEN.reason, at(21 - 16), None)]
    assert page_of_outages(database)[0].details == {"batch_id": 3}


def test_a_first_start_is_no_outage_and_one_after_it_ran_is(watched: Watched, database: Connection) -> None:
    watched.see(AWAITED, until=12)
    watched.see(STARTING, until=60)
    watched.see(until=75)
    assert kept(database) == []
    watched.see(STARTING, until=90)
    assert kept(database) == [("job", "the job had ended: the job is starting", at(72), None)]
    watched.see(until=120)
    assert kept(database)[0][3] == at(90)


def test_nothing_is_concluded_of_the_job_while_postgres_is_away(watched: Watched, database: Connection) -> None:
    watched.see(FROZEN, until=9)
    watched.away = True
    watched.see(POSTGRES, until=60)
    watched.away = False
    watched.see(FROZEN, until=90)
    watched.see(until=120)
    assert sorted(kept(database)) == [
        ("job", FROZEN.reason, at(-16), at(90)),
        ("postgres", POSTGRES.reason, at(9), at(60)),
    ]


def test_one_process_writes_and_another_goes_on_when_it_ends(
    watched: Watched, other: Watched, database: Connection
) -> None:
    watched.see(until=3)
    for both in (watched, other):
        both.see(BROKER, until=30)
    assert kept(database) == [("broker", BROKER.reason, at(3), None)]
    watched.recorder.close()
    other.see(BROKER, until=60)
    other.see(until=90)
    assert kept(database) == [("broker", BROKER.reason, at(3), at(60))]


def test_an_outage_that_an_earlier_process_left_open_ends_and_those_of_others_stay(
    watched: Watched, database: Connection
) -> None:
    begin_outage(database, "job", "it is dead", at(-900))
    begin_outage(database, "disk", "it is full", at(-900))
    watched.see(AWAITED, until=30)
    watched.see(STARTING, until=60)
    assert {ended for *_, ended in kept(database)} == {None}
    watched.see(until=90)
    assert kept(database) == [("job", "it is dead", at(-900), at(60)), ("disk", "it is full", at(-900), None)]


def test_outages_are_listed_in_pages_newest_first(client: FlaskClient, database: Connection) -> None:
    assert read(client, "/outages") == {"outages": [], "next_cursor": None}
    record_outage(database, "broker", "away", at(0), at(5.25), {"n": 1})
    begin_outage(database, "job", "dead", at(9))
    first = read(client, "/outages", limit=1)
    (newest,) = first["outages"]
    assert (newest["subject"], newest["started_at"], newest["ended_at"]) == ("job", "2026-03-01T12:00:09.000Z", None)
    (oldest,) = read(client, "/outages", limit=1, cursor=first["next_cursor"])["outages"]
    assert oldest == {
        "id": newest["id"] - 1,
        "subject": "broker",
        "reason": "away",
        "details": {"n": 1},
        "started_at": "2026-03-01T12:00:00.000Z",
        "ended_at": "2026-03-01T12:00:05.250Z",
    }
    assert refused(client, "/outages", cursor="x") == (422, "invalid")


def test_an_error_that_nobody_thought_of_ends_no_recording(
    api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_recorder, "POLL_INTERVAL_S", 0.01)
    looked_on = threading.Event()

    class Broken(Observer):
        looks = 0

        def look(self) -> Observed:
            self.looks += 1
            if self.looks > 2:
                looked_on.set()
            raise RuntimeError("can't start new thread")

    dsn = api_settings.postgres.dsn.get_secret_value()
    start_recording(Broken(api_settings), dsn, ending=looked_on.is_set)
    assert looked_on.wait(DEADLINE_S)


def test_a_running_api_records_though_nobody_asks(serve: Serve, database: Connection) -> None:
    api = serve().wait_ready()
    (found,) = eventually(lambda: page_of_outages(database), "the outage of the broker is recorded")
    assert (found.subject, found.ended_at) == ("broker", None)
    health = f"{api.address['url']}/health"
    shown = eventually(lambda: requests.get(health, timeout=REQUEST_S).json()["recent_outages"], "health shows it")
    assert [outage["id"] for outage in shown] == [found.id]
