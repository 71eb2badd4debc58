"""Health names what is missing in a sentence, tells strangers no details, and never waits for a service for long."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from api.app import create_app
from api.health import Problem, problems, status
from api.observer import Observed
from api.probe import Unavailable
from netheal.registry.artefacts import Artefacts
from netheal.registry.starters import import_starters
from netheal.settings import Settings
from netheal.store.counts import add_counts
from netheal.store.database import Connection
from netheal.store.outages import Outage
from netheal.store.progress import ActiveVersion, Progress, head_revision, read_progress
from netheal.store.stream_health import FIRST_REPORT_S
from netheal.store.stream_state import StreamState, report_state
from tests.api.stored_rows import event

BOTH = tuple(ActiveVersion(name, "v1", "0" * 64) for name in ("attack_classifier", "threat_detector"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCH = {"batch_id": 7, "offsets": [{"partition": 1, "start": 20, "end": 31}], "attempts": 3}


def job(state: str, reason: str = "", **changes: object) -> StreamState:
    """A job that reported a second ago, and is in this state for ten minutes."""
    whole = {"since": NOON, "heartbeat_at": NOON, "heartbeat_age_s": 1.0, "since_age_s": 600.0, **changes}
    return StreamState(state, reason, **whole)  # type: ignore[arg-type]


RUNNING = job("running")
FROZEN = job("running", heartbeat_age_s=16.0)


def progress(stream: StreamState | None = RUNNING, **changes: object) -> Progress:
    whole = {"revision": head_revision(), "done_offsets": {"0": 5}, "closed_age_s": 1.0, "active": BOTH, **changes}
    return Progress(stream=stream, **whole)  # type: ignore[arg-type]


def reasons(observed: Observed) -> list[str]:
    return [problem.reason for problem in problems(observed)]


def of_job(stream: StreamState | None, lag: int = 0, up_s: float = 3600.0) -> Problem:
    """The one problem there is with such a job."""
    (problem,) = problems(Observed(progress(stream), {"0": 5 + lag}, up_s))
    assert problem.subject == "job"
    return problem


READY = Observed(progress(), {"0": 5, "1": 0})


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (READY, []),
        (Observed(progress(), {"0": 9}), []),
        (Observed(progress(closed_age_s=999.0), {"0": 5}), []),
        (Observed(progress(closed_age_s=999.0, opened_age_s=2.0), {"0": 9}), []),
        (Observed(progress(job("running", since_age_s=9.0), closed_age_s=999.0), {"0": 9}), []),
        (Observed(progress(closed_age_s=999.0, opened_age_s=99.0), {"0": 9}), ["4 rows wait", "for 1 min"]),
        (Observed(progress(closed_age_s=None, done_offsets={}), {"0": 9}), ["9 rows wait", "for 10 min"]),
        (Observed(progress(active=BOTH[1:]), {"0": 5}), ["no attack_classifier is active: activate one"]),
        (Observed(progress(revision="0001"), {"0": 5}), ["the tables are of revision 0001", head_revision()]),
        (
            Observed(progress(revision="9999"), {"0": 5}),
            ["the tables are of revision 9999, a newer netheal's", head_revision()],
        ),
        (Observed(progress(revision="", active=()), {"0": 5}), ["not made"]),
        (Observed(Unavailable("Postgres does not answer"), {"0": 5}), ["Postgres does not answer"]),
        (Observed(progress(), Unavailable("the broker does not answer")), ["the broker does not answer"]),
    ],
)
def test_what_is_missing_is_named(observed: Observed, words: list[str]) -> None:
    said = reasons(observed)
    assert len(said) == (1 if words else 0)
    assert all(word in said[0] for word in words)
    assert status(problems(observed)) == ("degraded" if words else "ok")


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (None, ["no job has ever reported; 15,768 rows wait", "netheal up"]),
        (FROZEN, ["has not answered since 2026-03-01T12:00:00Z; 15,768 rows wait", "frozen or dead"]),
        (job("starting", "loading models", heartbeat_age_s=16.0), ["has not answered since"]),
        (job("refused", "the topic was made again"), ["has refused to go on: the topic was made again; 15,768 rows"]),
        (job("stopped"), ["ended at 2026-03-01T12:00:00Z; 15,768 rows wait: start it again"]),
        (job("stopped", "its JVM has ended"), ["ended at 2026-03-01T12:00:00Z: its JVM has ended; 15,768 rows wait"]),
        (job("retrying", "Postgres went away"), ["is retrying: Postgres went away; 15,768 rows wait"]),
        (
            job("retrying", "year 58432 is out of range", details=BATCH),
            ["is retrying batch 7 (partition 1, offsets 20 to 30), which failed 3 times: year 58432 is out of range"],
        ),
        (job("retrying", "Micro-batch 7 (…) failed", details=BATCH), ["is retrying: Micro-batch 7 (…) failed"]),
        (job("starting", "the JVM"), ["fails to start: the JVM; 15,768 rows wait"]),
    ],
)
def test_a_job_that_does_not_work_is_said_with_what_it_says_of_itself(
    stream: StreamState | None, words: list[str]
) -> None:
    problem = of_job(stream, lag=15_768)
    assert all(word in problem.reason for word in words), problem.reason
    assert status([problem]) == "degraded"
    assert problem.details == ({} if stream is None else stream.details)
    assert problem.outage == (stream is not None)


def test_a_start_is_no_fault() -> None:
    for stream in (None, job("stopped", heartbeat_age_s=9_000.0), job("running", heartbeat_age_s=9_000.0)):
        awaited = of_job(stream, up_s=30.0)
        assert "has not reported yet" in awaited.reason and not awaited.outage
        assert status([awaited]) == "starting"
        assert status([of_job(stream, up_s=FIRST_REPORT_S + 1)]) == "degraded"
    awaited = of_job(job("starting", "importing the starter models", since_age_s=20.0))
    assert awaited.reason == "the job is starting: importing the starter models"
    assert status([awaited]) == "starting"
    early = Observed(progress(job("starting", since_age_s=2.0), active=()), {"0": 0}, 5.0)
    assert status(problems(early)) == "starting", "the job imports the models"
    assert status(problems(Observed(early.progress, Unavailable("no broker"), 5.0))) == "degraded"


@pytest.mark.parametrize("state", ["refused", "stopped"])
def test_a_job_that_ended_and_said_why_is_not_awaited(state: str) -> None:
    """A new one says within seconds that it is starting."""
    ended = of_job(job(state, "run 'netheal topic adopt'", heartbeat_age_s=9_000.0), up_s=30.0)
    assert "run 'netheal topic adopt'" in ended.reason
    assert status([ended]) == "degraded"


def test_a_job_that_was_stopped_with_nothing_to_do_is_no_outage() -> None:
    assert not of_job(job("stopped")).outage
    assert of_job(job("stopped"), lag=1).outage


@pytest.mark.parametrize(
    ("contract", "rows", "unserved", "said"),
    [
        ("threat/v1", 9, ("activate a model for threat/v2, then replay the row",), False),
        ("threat/v1", 0, (), False),
        ("threat/v1", 0, ("activate a model for threat/v2, then replay the row",), True),
        ("threat/v1", 0, ("activate a model for attack/v1, then replay the row",), False),
        ("threat/v1", 0, ("no feature of any contract",), False),
        ("own/abc", 0, ("no feature of any contract",), True),
        ("own/abc", 0, ("activate a model for threat/v1, then replay the row",), True),
    ],
)
def test_a_model_that_gets_no_rows_while_rows_of_its_type_are_rejected(
    contract: str, rows: int, unserved: tuple[str, ...], said: bool
) -> None:
    threat = ActiveVersion("threat_detector", "forest_v2", "1" * 64, contract, rows, unserved)
    told = reasons(Observed(progress(active=(BOTH[0], threat)), {"0": 5}))
    assert len(told) == said
    if said:
        assert (
            f"forest_v2 is active and gets no rows, while rows of its type are rejected: it takes {contract}" in told[0]
        )


@pytest.mark.parametrize(
    ("contract", "rows", "arrived", "said"),
    [
        ("threat/0a1b2c3d", 0, 5, True),
        ("threat/0a1b2c3d", 5, 5, False),
        ("threat/0a1b2c3d", 0, 0, False),
        ("threat/v1", 0, 5, False),
    ],
)
def test_a_model_with_features_of_its_own_that_no_arriving_row_fits(
    contract: str, rows: int, arrived: int, said: bool
) -> None:
    threat = ActiveVersion("threat_detector", "forest_v2", "1" * 64, contract, rows, arrived=arrived)
    told = reasons(Observed(progress(active=(BOTH[0], threat)), {"0": 5}))
    assert len(told) == said
    if said:
        assert f"forest_v2 is active and no arriving row fits it: it takes {contract}" in told[0]


def test_what_others_recorded_and_what_lasts_is_said() -> None:
    full = Outage(1, "disk", "/srv is full: free some", {}, NOON, None)
    over = Outage(2, "retention", "offsets 3 to 9 are lost", {}, NOON, NOON)
    known = Outage(3, "job", "it is frozen", {}, NOON, None)
    untold = Outage(4, "notifications by webhook", "503", {}, NOON, None)
    told = problems(Observed(progress(outages=(untold, known, over, full)), {"0": 5}))
    assert [(p.subject, p.reason) for p in told] == [("disk", "/srv is full: free some (since 2026-03-01T12:00:00Z)")]


def test_everything_missing_is_named_at_once() -> None:
    assert reasons(Observed(Unavailable("a"), Unavailable("b"))) == ["a", "b"]


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_it_is_there_twice_and_says_why_not(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.get_json()["live"], answer.get_json()["ready"]) == (200, True, False)
    assert answer.get_json()["status"] == "degraded"
    assert [reason for reason in answer.get_json()["reasons"] if "broker does not answer" in reason]
    assert [reason for reason in answer.get_json()["reasons"] if "waiting for the job" in reason]
    assert answer.get_json()["recent_outages"] == []
    assert client.get(f"{path}/live").get_json() == {"live": True}
    assert client.get(f"{path}/ready").status_code == 503


def test_strangers_are_told_the_state_but_no_reasons(api_settings: Settings) -> None:
    stranger = create_app(api_settings.replaced(api_tokens_required=True)).test_client()
    assert stranger.get("/health").get_json() == {"live": True, "ready": False, "status": "degraded"}
    assert stranger.get("/health/ready").get_json() == {"ready": False, "status": "degraded"}
    assert stranger.get("/health", headers={"Authorization": "Bearer nh_x"}).status_code == 401


def test_without_postgres_it_still_answers_quickly(api_settings: Settings) -> None:
    away = api_settings.replaced(postgres_dsn=SecretStr("postgresql://x:y@127.0.0.1:1/z"))
    client = create_app(away).test_client()
    for headers in ({}, {"Authorization": "Bearer nh_x"}):
        answer = client.get("/health", headers=headers)
        assert answer.status_code == 200 and answer.get_json()["ready"] is False
    assert client.get("/api/v1/predictions/stats").status_code == 503


def test_the_ledger_is_read(database: Connection) -> None:
    with database, database.cursor() as cursor:
        cursor.execute("insert into policies (version, document) values ('p', '{}')")
        cursor.execute("insert into topics values ('in', 'id', 0, now(), '{\"0\": 20}')")
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
    assert (seen.done_offsets, seen.batches, seen.last_rows, seen.last_s) == ({"0": 20}, 3, 8, 4.0)
    assert seen.closed_age_s == pytest.approx(36, abs=5) and seen.opened_age_s == pytest.approx(30, abs=5)
    assert seen.rows.counts == {"prediction": {"attack": 3}, "rejected": {"not_json": 2}}
    assert read_progress(database, "other").done_offsets == {}


def test_tables_of_another_revision_are_told_not_read(database: Connection) -> None:
    with database, database.cursor() as cursor:
        cursor.execute("update alembic_version set version_num = '0001'; drop table batches")
    assert read_progress(database, "in") == Progress("0001")


def test_the_job_and_what_models_get_is_read(database: Connection, api_settings: Settings) -> None:
    import_starters(database, Artefacts(api_settings.paths.artefacts_dir), api_settings.paths.starter_models_dir)
    report_state(database, "in", "retrying", "no", BATCH)
    seen = read_progress(database, "in")
    assert seen.stream is not None and (seen.stream.state, seen.stream.details) == ("retrying", BATCH)
    assert 0 <= seen.stream.heartbeat_age_s < 60 and 0 <= seen.stream.since_age_s < 60
    assert [(m.model_type, m.contract_id, m.rows, m.unserved) for m in seen.active] == [
        ("attack_classifier", "attack/v1", 0, ()),
        ("threat_detector", "threat/v1", 0, ()),
    ]
    now = datetime.now(UTC)
    old = now - timedelta(minutes=10)
    with database, database.cursor() as cursor:
        cursor.execute("update models set activated_at = %s", (old - timedelta(minutes=1),))
        for n, (reason, detail) in enumerate([("no_active_model", "a"), ("no_contract", "b"), ("nan", "c")]):
            cursor.execute(
                "insert into rejected values (%s, now(), 1, 'in', 0, %s, %s, '', %s)", (event(n), n, reason, detail)
            )
        add_counts(cursor, {(minute_of(now), "class", "Bot"): 2, (minute_of(old), "threat", "attack"): 9})
    seen = read_progress(database, "in")
    assert [(m.rows, m.unserved) for m in seen.active] == [(2, ()), (0, ())], "their batch is not done"
    with database, database.cursor() as cursor:
        add_counts(cursor, {(minute_of(now), "rejected", "no_contract"): 1})
    seen = read_progress(database, "in")
    assert [(m.rows, sorted(m.unserved)) for m in seen.active] == [(2, ["a", "b"]), (0, ["a", "b"])]
    assert [m.arrived for m in seen.active] == [1, 1], "verdicts and rejected rows, whoever scored them"


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 60 * 60
