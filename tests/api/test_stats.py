"""Counts are those the batches added, whatever rows there are, and cost the same with many."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from netheal.store.database import Connection, transaction
from netheal.store.totals import read_minutes
from tests.api.stored_rows import event, read, refused, rows, store

MINUTE = timedelta(minutes=1)


def count(database: Connection, minute: datetime, kind: str, name: str, n: int) -> None:
    with transaction(database) as cursor:
        cursor.execute("insert into minute_counts values (%s, %s, %s, %s)", (minute, kind, name, n))


@pytest.fixture
def totals(database: Connection) -> None:
    counted = [
        ("prediction", "attack", 1),
        ("prediction", "normal", 2),
        ("class", "BENIGN", 2),
        ("class", "DDoS", 1),
        ("threat", "attack", 9),
        ("action", "log_only", 3),
        ("rejected", "nan", 4),
    ]
    with transaction(database) as cursor:
        for row in counted:
            cursor.execute("insert into total_counts (kind, name, n) values (%s, %s, %s)", row)


def test_nothing_counted_yet_is_no_division_by_zero(client: FlaskClient) -> None:
    assert read(client, "/predictions/stats") == {
        "total_predictions": 0,
        "total_attacks": 0,
        "total_normal": 0,
        "attack_rate": 0.0,
        "attack_type_distribution": {},
        "recent_predictions": [],
    }


@pytest.mark.usefixtures("totals")
def test_totals_come_from_the_counts_and_not_from_rows(client: FlaskClient, database: Connection) -> None:
    store(database, rows(120))
    found = read(client, "/predictions/stats")
    recent = [row["traffic_data_id"] for row in found.pop("recent_predictions")]
    assert recent == [event(at) for at in reversed(range(20, 120))]
    assert found == {
        "total_predictions": 3,
        "total_attacks": 1,
        "total_normal": 2,
        "attack_rate": 33.3333,
        "attack_type_distribution": {"BENIGN": 2, "DDoS": 1},
    }


def test_a_timeline_has_every_minute_once(database: Connection) -> None:
    now = datetime(2026, 1, 2, 3, 4, 59, 999999, tzinfo=UTC)
    this = now.replace(second=0, microsecond=0)
    count(database, this, "prediction", "attack", 2)
    count(database, this, "prediction", "normal", 5)
    count(database, this, "class", "Bot", 2)
    count(database, this - 2 * MINUTE, "prediction", "normal", 7)
    count(database, this - 3 * MINUTE, "prediction", "normal", 100)
    count(database, this + MINUTE, "prediction", "normal", 100)
    found = read_minutes(database, now, 3)
    assert [(m.minute, m.attacks, m.normal, m.classes) for m in found] == [
        (this - 2 * MINUTE, 0, 7, {}),
        (this - MINUTE, 0, 0, {}),
        (this, 2, 5, {"Bot": 2}),
    ]


def test_the_timeline_ends_now(client: FlaskClient) -> None:
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    answer = read(client, "/predictions/timeline", minutes=1440)
    found = answer["timeline"]
    assert 0 * MINUTE <= datetime.fromisoformat(answer["now"]) - datetime.fromisoformat(found[-1]["minute"]) <= MINUTE
    assert len(found) == 1440 and datetime.fromisoformat(found[-1]["minute"]) - before in (0 * MINUTE, MINUTE)
    assert len(read(client, "/predictions/timeline")["timeline"]) == 15


@pytest.mark.parametrize("minutes", ["0", "1441", "x", "9" * 40])
def test_a_timeline_is_bounded(client: FlaskClient, minutes: str) -> None:
    assert refused(client, "/predictions/timeline", minutes=minutes) == (422, "invalid")
