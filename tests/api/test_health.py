"""Health names what is missing in a sentence, tells strangers no details, and never waits for a service for long."""

import time

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from api.app import create_app
from api.health import not_ready
from api.observer import Observed
from api.probe import Away
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.progress import ActiveVersion, Progress, head_revision, read_progress

BOTH = tuple(ActiveVersion(name, "v1", "0" * 64) for name in ("threat_detector", "attack_classifier"))


def progress(**changes: object) -> Progress:
    whole = {"revision": head_revision(), "done_offsets": {"0": 5}, "closed_age_s": 1.0, "active": BOTH, **changes}
    return Progress(**whole)  # type: ignore[arg-type]


READY = Observed(progress(), {"0": 5, "1": 0})


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (READY, []),
        (Observed(progress(), {"0": 9}), []),
        (Observed(progress(closed_age_s=999.0), {"0": 5}), []),
        (Observed(progress(closed_age_s=999.0, opened_age_s=2.0), {"0": 9}), []),
        (Observed(progress(closed_age_s=999.0, opened_age_s=99.0), {"0": 9}), ["4 rows wait", "999 s ago"]),
        (Observed(progress(closed_age_s=None, done_offsets={}), {"0": 9}), ["9 rows wait", "not finished a batch yet"]),
        (Observed(progress(active=BOTH[:1]), {"0": 5}), ["no attack_classifier is active: activate one"]),
        (Observed(progress(revision="0001"), {"0": 5}), ["the tables are 0001", head_revision()]),
        (Observed(progress(revision="", active=()), {"0": 5}), ["not made"]),
        (Observed(Away("Postgres does not answer"), {"0": 5}), ["Postgres does not answer"]),
        (Observed(progress(), Away("the broker does not answer")), ["the broker does not answer"]),
    ],
)
def test_what_is_missing_is_named(observed: Observed, words: list[str]) -> None:
    said = not_ready(observed)
    assert len(said) == (1 if words else 0)
    assert all(word in said[0] for word in words)


def test_everything_missing_is_named_at_once() -> None:
    assert not_ready(Observed(Away("a"), Away("b"))) == ["a", "b"]


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_it_is_there_twice_and_says_why_not(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["live"], answer.json["ready"]) == (200, True, False)
    assert answer.json["status"] == "degraded"
    assert [reason for reason in answer.json["reasons"] if "broker does not answer" in reason]
    assert [reason for reason in answer.json["reasons"] if "no threat_detector is active" in reason]
    assert client.get(f"{path}/live").json == {"live": True}
    assert client.get(f"{path}/ready").status_code == 503


def test_strangers_are_told_the_state_but_no_reasons(api_settings: Settings) -> None:
    stranger = create_app(api_settings.model_copy(update={"api_tokens_required": True})).test_client()
    assert stranger.get("/health").json == {"live": True, "ready": False, "status": "degraded"}
    assert stranger.get("/health/ready").json == {"ready": False, "status": "degraded"}
    assert stranger.get("/health", headers={"Authorization": "Bearer nh_x"}).status_code == 401


def test_without_postgres_it_still_answers_quickly(api_settings: Settings) -> None:
    away = api_settings.model_copy(update={"postgres_dsn": SecretStr("postgresql://x:y@127.0.0.1:1/z")})
    client = create_app(away).test_client()
    began = time.monotonic()
    for headers in ({}, {"Authorization": "Bearer nh_x"}):
        answer = client.get("/health", headers=headers)
        assert answer.status_code == 200 and answer.json["ready"] is False
    assert time.monotonic() - began < 6
    assert client.get("/api/v1/predictions/stats").status_code == 503


def test_the_ledger_is_read(database: Connection) -> None:
    with database, database.cursor() as cursor:
        cursor.execute("insert into policies (version, document) values ('p', '{}')")
        cursor.execute("insert into topics (topic, topic_id, offset_base) values ('in', 'id', 0)")
        for batch, state in ((1, "done"), (2, "done"), (3, "open")):
            cursor.execute(
                "insert into batches (query_id, batch_id, topic, topic_id, start_offsets, end_offsets, models,"
                " policy_version, state, opened_at, closed_at, verdicts, rejected) values ('q', %s, 'in', 'id', '{}',"
                " jsonb_build_object('0', %s), '{}', 'p', %s, now() - interval '60 s' + %s * interval '10 s',"
                " now() - interval '60 s' + %s * interval '10 s' + interval '4 s', 7, 1)",
                (batch, batch * 10, state, batch, batch),
            )
        cursor.execute("insert into total_counts values ('prediction', 'attack', 3), ('rejected', 'not_json', 2)")
    seen = read_progress(database, "in")
    assert (seen.done_offsets, seen.last_rows, seen.last_s) == ({"0": 20}, 8, 4.0)
    assert seen.closed_age_s == pytest.approx(36, abs=5) and seen.opened_age_s == pytest.approx(30, abs=5)
    assert seen.counts == {"prediction": {"attack": 3}, "rejected": {"not_json": 2}}
    assert read_progress(database, "other").done_offsets == {}


def test_tables_of_another_revision_are_told_not_read(database: Connection) -> None:
    with database, database.cursor() as cursor:
        cursor.execute("update alembic_version set version_num = '0001'; drop table batches")
    assert read_progress(database, "in") == Progress("0001")
