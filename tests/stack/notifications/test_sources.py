"""What is collected: every row that alerts somebody once it is done, alerts, outages; nothing twice, nothing old."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extras import Json

from netheal.notifications import collection
from netheal.notifications.admin_alerts import AdminAlerts
from netheal.notifications.alert_actions import AlertActions
from netheal.notifications.outage_changes import OutageChanges
from netheal.store.database import Connection, transaction
from netheal.store.notifications import store_collected
from netheal.store.outages import begin_outage, end_outage, record_outage
from tests.stack.notifications.conftest import TOPIC, Outbox, Stream

pytestmark = pytest.mark.stack
NOW = datetime.now(UTC)


@pytest.fixture
def rows_told(database: Connection, stream: Stream) -> Outbox:
    """Rows from before are not told."""
    stream.rows(50)
    stream.finish()
    outbox = Outbox(database, AlertActions(TOPIC, "https://netheal.example/"))
    assert outbox.collected() == []
    return outbox


def test_rows_are_told_by_class_once_they_are_done(stream: Stream, rows_told: Outbox) -> None:
    stream.rows(300, "PortScan", sources=5)
    stream.rows(12, "PortScan", sources=5, partition=1)
    stream.rows(2, None, sources=1)
    stream.rows(1, "BENIGN", sources=1)
    stream.rows(90, "DDoS", action="restart_service")
    assert rows_told.collected() == []
    stream.finish()
    scan, other, benign = rows_told.collected()
    assert scan.title == "PortScan: 312 rows from 5 addresses" and scan.n == 312 and scan.severity == "warning"
    assert scan.first_at <= scan.last_at and len(scan.details["example_ids"]) == 3
    assert scan.details["top_target"] == "192.0.2.1" and scan.details["targets"] == 1
    base, newest = "https://netheal.example", scan.details["example_ids"][0]
    assert scan.details["link"] == f"{base}/?class=PortScan&row={newest}"
    assert scan.details["rows_link"].startswith(f"{base}/api/v1/predictions?class=PortScan&action=alert_admin&since=")
    assert other.title == "attack of unknown class: 2 rows from 1 address"
    assert benign.title == "attack that the classifier calls BENIGN: 1 row from 1 address"
    assert rows_told.collected() == []


def test_what_a_sensor_wrote_in_place_of_an_address_is_not_told(
    stream: Stream, rows_told: Outbox, database: Connection
) -> None:
    stream.rows(3)
    with transaction(database) as cursor:
        cursor.execute("update verdicts set src_ip = %s", ("<!channel> $(reboot)\r\nBcc: x@y",))
    stream.finish()
    (scan,) = rows_told.collected()
    assert scan.details["top_source"] is None and "channel" not in str(scan)


def test_a_topic_made_again_is_told_from_its_beginning_and_the_old_one_to_its_end(
    stream: Stream, rows_told: Outbox
) -> None:
    stream.rows(7)
    stream.finish()
    stream.make_topic("second", base=10_000)
    stream.rows(4, "Bot")
    stream.finish()
    assert sorted((of.details["class"], of.n) for of in rows_told.collected()) == [("Bot", 4), ("PortScan", 7)]


def test_rows_that_are_scored_again_are_not_told_again(stream: Stream, rows_told: Outbox, database: Connection) -> None:
    stream.rows(9)
    stream.finish()
    assert len(rows_told.collected()) == 1
    with transaction(database) as cursor:
        cursor.execute("update topics set done_offsets = %s", (Json({"0": 20}),))
    assert rows_told.collected() == []
    stream.rows(1)
    stream.finish()
    assert [of.n for of in rows_told.collected()] == [1]


def test_what_gathered_while_nobody_looked_is_read_piece_by_piece(
    stream: Stream, rows_told: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netheal.notifications.alert_actions._MOST_OFFSETS", 400)
    stream.rows(1000)
    stream.rows(300, partition=1)
    stream.finish()
    assert [of.n for of in rows_told.collected()] == [700, 400, 200]


def test_rows_of_uploads_are_not_told(stream: Stream, rows_told: Outbox, database: Connection) -> None:
    stream.rows(1)
    with transaction(database) as cursor:
        cursor.execute("update verdicts set event_id = event_id - event_id % 1024 + 1023 where event_id / 1024 >= 50")
    stream.finish()
    assert rows_told.collected() == []


def test_alerts_are_told_in_their_order(database: Connection) -> None:
    outbox = Outbox(database, AdminAlerts())

    def alert(text: str) -> None:
        with transaction(database) as cursor:
            cursor.execute("insert into alerts (description, params) values (%s, %s)", (text, Json({})))

    alert("long ago")
    assert outbox.collected() == []
    for n in range(150):
        alert(f"model {n} failed\r\nX-Header: 1")
    found = outbox.collected()
    assert [of.title for of in found] == [f"model {n} failedX-Header: 1" for n in range(150)]
    assert {of.severity for of in found} == {"error"} and outbox.collected() == []


def test_outages_are_told_when_they_begin_and_when_they_end(database: Connection) -> None:
    outbox = Outbox(database, OutageChanges())
    record_outage(database, "job", "it was killed", NOW - timedelta(days=1), NOW)
    begin_outage(database, "broker", "no answer", NOW - timedelta(minutes=2))
    (began,) = outbox.collected()
    assert (began.title, began.severity) == ("Outage of broker began: no answer", "error")
    assert outbox.collected() == []
    end_outage(database, "broker", NOW)
    record_outage(database, "postgres", "no answer", NOW - timedelta(seconds=9), NOW)
    over, short = outbox.collected()
    assert (over.title, over.severity) == ("Outage of broker is over after 2 min 0 s", "info")
    assert short.title == "Outage of postgres lasted 9 s and is over: no answer"
    assert outbox.collected() == []


def test_an_outage_with_a_lower_id_that_is_committed_later_is_told(database: Connection) -> None:
    outbox = Outbox(database, OutageChanges())
    assert outbox.collected() == []
    with transaction(database) as cursor:
        cursor.execute("select nextval(pg_get_serial_sequence('outages', 'id'))")
        (low,) = cursor.fetchone() or (0,)
    begin_outage(database, "broker", "no answer", NOW)
    assert len(outbox.collected()) == 1
    with transaction(database) as cursor:
        cursor.execute(
            "insert into outages (id, subject, reason, started_at) overriding system value"
            " values (%s, 'disk', 'full', now())",
            (low,),
        )
    assert [of.subject for of in outbox.collected()] == ["outage of disk"]


def test_a_kill_in_the_middle_of_collecting_repeats_nothing(
    stream: Stream, rows_told: Outbox, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.rows(5)
    stream.finish()

    def killed(*given: Any) -> None:
        store_collected(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(collection, "store_collected", killed)
    with pytest.raises(KeyboardInterrupt):
        rows_told.collected()
    monkeypatch.undo()
    assert [of.n for of in rows_told.collected()] == [5]
