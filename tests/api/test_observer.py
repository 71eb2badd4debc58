"""Health sees Postgres by a connection of its own, whatever the handlers do with theirs, and finds it again."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from apiflask import APIFlask

from api import observer as observing
from api import probe
from api.observer import Observed, Observer, observer_of
from api.probe import Unavailable
from api.services import Services
from netheal.cli import status
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store import lag
from netheal.store.database import Connection
from netheal.store.pool import LENT_AT_MOST, Pool
from netheal.store.progress import Progress, read_progress
from tests.api.stored_rows import SECOND, store_batch
from tests.deadlines import DEADLINE_S


@pytest.fixture
def observer(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Observer:
    """That of the app; each of its looks is a new one."""
    monkeypatch.setattr(probe, "FRESH_S", 0.0)
    return observer_of(app)


def look(observer: Observer) -> Observed:
    """One that is waited for however busy this machine is."""
    progress = observer._progress.ask(DEADLINE_S)
    return replace(observer.look(), progress=progress)


@pytest.fixture
def pool(api_settings: Settings) -> Iterator[Pool]:
    made = Pool(api_settings.postgres.dsn.get_secret_value())
    yield made
    made.close()


def test_postgres_is_there_while_the_handlers_have_every_connection(app: APIFlask, observer: Observer) -> None:
    services: Services = app.extensions["netheal"]
    with ExitStack() as lent:
        for _ in range(LENT_AT_MOST):
            lent.enter_context(services.pool.connection())
        assert isinstance(look(observer).progress, Progress)


def test_a_lost_connection_is_made_again_at_once(observer: Observer, database: Connection) -> None:
    assert isinstance(look(observer).progress, Progress)
    up_s = look(observer).postgres_up_s
    with database, database.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid()"
        )
    seen = look(observer)
    assert isinstance(seen.progress, Progress)
    assert seen.postgres_up_s > up_s, "a job that answers is not awaited anew"


@pytest.mark.parametrize("table", ["stream_states", "outages"])
def test_a_slow_answer_is_told_and_does_not_look_like_a_start(
    observer: Observer, database: Connection, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(observing, "_STATEMENT_S", 0.2)
    up_s = look(observer).postgres_up_s
    with database, database.cursor() as cursor:
        cursor.execute(f"lock table {table} in access exclusive mode")
        progress = look(observer).progress
        assert isinstance(progress, Unavailable) and "too slow" in progress.why
    seen = look(observer)
    assert isinstance(seen.progress, Progress)
    assert seen.postgres_up_s > up_s


def test_a_pool_lends_no_more_than_it_has_and_lends_again_what_came_back(pool: Pool) -> None:
    with ExitStack() as lent:
        for _ in range(LENT_AT_MOST):
            lent.enter_context(pool.connection())
        with pytest.raises(ServiceUnavailable, match="in use"), pool.connection(wait_s=0.0):
            pass
    with pool.connection(wait_s=0.0) as connection:
        assert not connection.closed


def test_the_terminal_has_the_lag_of_health(
    api_settings: Settings, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the batch that was done last is not the one that was begun last."""
    topic, now = api_settings.stream.input_topic, datetime.now(UTC)
    store_batch(database, 1, (0, 10), opened_at=now - 60 * SECOND, closed_at=now - 5 * SECOND)
    store_batch(database, 2, (10, 20), opened_at=now - 30 * SECOND, closed_at=now - 20 * SECOND)
    with database, database.cursor() as cursor:
        cursor.execute("update topics set done_offsets = jsonb_build_object('0', 20) where topic = %s", (topic,))
    ends = {"0": 30, "1": 4}
    monkeypatch.setattr(lag, "end_offsets", lambda *_: ends)
    reader = status.StatusReader(api_settings)
    try:
        assert reader.lag() == Observed(read_progress(database, topic), ends).lag == 10 + 4
    finally:
        reader.close()
