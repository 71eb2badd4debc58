"""Counts are those the batches added, whatever rows there are, and cost the same with many."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from netheal.cli.status import StatusReader
from netheal.settings import Settings
from netheal.store import totals as stored
from netheal.store.counts import add_counts
from netheal.store.database import Connection, transaction
from netheal.store.totals import MinuteOfTraffic, RowCounts, read_minutes
from tests.api.stored_rows import NOW, SECOND, event, read, refused, rows, store, store_batch

MINUTE = timedelta(minutes=1)


WINDOW = 15


def count_both(database: Connection, kind: str, name: str, n: int, at: datetime | None = None) -> None:
    """As the job does: rows of a minute, this one where it is not told, in both tables at once."""
    minute = int((at or datetime.now(UTC)).timestamp()) // 60 * 60
    with transaction(database) as cursor:
        add_counts(cursor, {(minute, kind, name): n})


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
    assert [(m.minute, m.rows.attacks, m.rows.normal, m.rows.of("class")) for m in found] == [
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


def test_a_window_never_has_more_than_the_total(
    client: FlaskClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is committed just between the two readings."""
    count_both(database, "prediction", "attack", 5)
    read_timeline = stored._timeline

    def interrupted(*asked: object) -> list[MinuteOfTraffic]:
        count_both(database, "prediction", "attack", 7)
        return read_timeline(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "_timeline", interrupted)
    found = read(client, "/predictions/summary", minutes=WINDOW)
    assert found["total"]["attacks"] == found["window"]["attacks"] == 5
    assert read(client, "/predictions/summary")["total"]["attacks"] == 12


def test_a_summary_says_everything_that_the_page_shows(client: FlaskClient, database: Connection) -> None:
    now = datetime.now(UTC)  # once: a minute may end meanwhile
    for kind, name, n in [
        ("prediction", "attack", 8),
        ("prediction", "normal", 12),
        ("class", "BENIGN", 9),
        ("class", "DDoS", 2),
        ("class", "Bot", 4),
        ("threat", "attack", 5),
        ("action", "log_only", 20),
        ("rejected", "nan", 3),
    ]:
        count_both(database, kind, name, n, now)
    count(database, NOW.replace(second=0) - timedelta(days=1), "prediction", "normal", 50)
    found = read(client, "/predictions/summary")
    assert found["window"] == found["total"]
    assert found["total"] == {
        "predictions": 20,
        "attacks": 8,
        "normal": 12,
        "rejected": 3,
        "attack_rate": 40.0,
        "attacks_by_class": [
            {"name": "Bot", "attacks": 4, "share": 50.0},
            {"name": "DDoS", "attacks": 2, "share": 25.0},
            {"name": "unclassified", "attacks": 2, "share": 25.0},
        ],
        "actions": {"log_only": 20},
    }
    (minute,) = [minute for minute in found["timeline"] if minute["predictions"]]
    assert (minute["attacks"], minute["attack_rate"], minute["classes"]["Bot"]) == (8, 40.0, 4)
    assert len(found["timeline"]) == found["minutes"] == WINDOW


def test_nothing_counted_has_no_rate(client: FlaskClient) -> None:
    found = read(client, "/predictions/summary", minutes=1)
    assert found["total"]["attack_rate"] is found["timeline"][0]["attack_rate"] is None
    assert (found["total"]["attacks_by_class"], found["verdicts_per_s"]) == ([], 0)


def test_a_minute_has_a_rate_once_some_of_it_is_over() -> None:
    minute = MinuteOfTraffic(NOW, RowCounts({"prediction": {"attack": 20, "normal": 10}}))
    assert [minute.rows_per_s(NOW + at * SECOND) for at in (4, 5, 30, 60, 600)] == [None, 6, 1, 0.5, 0.5]


def test_the_pace_is_that_of_the_batches_just_done(
    client: FlaskClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_PACE_S", 1200.0)  # of which no test takes a noticeable part
    now = datetime.now(UTC)
    store_batch(database, 1, (0, 9_000), opened_at=now - 100 * MINUTE, closed_at=now - 90 * MINUTE)
    store_batch(database, 2, (9_000, 59_000), opened_at=now - 1000 * SECOND, closed_at=now - 500 * SECOND)
    store_batch(database, 3, (59_000, 60_000), opened_at=now - 400 * SECOND, closed_at=None, state="open")
    store_batch(database, 4, (0, 90_000), topic="another", opened_at=now - SECOND, closed_at=now)
    assert read(client, "/predictions/summary")["verdicts_per_s"] == pytest.approx(50, rel=0.5)


def test_the_terminal_has_the_newest_batch_of_its_own_topic(
    database: Connection, api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    for batch_id, (start, end), age_s in ((40, (0, 9_000), 60), (41, (9_000, 9_500), 30)):
        opened_at = now - age_s * SECOND
        store_batch(database, batch_id, (start, end), opened_at=opened_at, closed_at=opened_at + 5 * SECOND)
    store_batch(database, 42, (9_500, 9_900), opened_at=now - 4 * SECOND, closed_at=None, state="open")
    store_batch(database, 3, (0, 700), topic="another", opened_at=now - SECOND, closed_at=now)
    monkeypatch.setattr(StatusReader, "lag", lambda _: 0)
    reader = StatusReader(api_settings)
    try:
        status = reader.read()
    finally:
        reader.close()
    last = status.progress
    assert (last.batches, last.last_rows) == (42, 500)
    assert last.last_s == pytest.approx(5)


@pytest.mark.usefixtures("totals")
def test_the_terminal_has_the_numbers_of_the_api(
    client: FlaskClient, api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StatusReader, "lag", lambda _: 0)
    reader = StatusReader(api_settings)
    try:
        rows = reader.read().progress.rows
    finally:
        reader.close()
    total = read(client, "/predictions/summary")["total"]
    assert (rows.predictions, rows.attacks, rows.normal) == (total["predictions"], total["attacks"], total["normal"])
    assert [of.attacks for of in rows.attacks_by_class] == [of["attacks"] for of in total["attacks_by_class"]]
