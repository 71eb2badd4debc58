"""Postgres serves the last days; what is older is dropped beside readers and writers, and stays in Delta."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pytest
from flask.testing import FlaskClient

from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.sinks.postgres_rows import PostgresRowWriter
from netheal.store import partitions
from netheal.store.database import Connection, connect, transaction
from netheal.store.delta import verdicts_layout
from netheal.store.partitions import ensure_partitions, maintain_partitions, serving_since
from tests.api.stored_rows import NOW, Row, commit_part, event, read, store

TODAY = NOW.date()
DAY = timedelta(days=1)


def names(connection: Connection, table: str = "verdicts") -> set[str]:
    with transaction(connection) as cursor:
        cursor.execute("select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass", (table,))
        return {name for (name,) in cursor.fetchall()} - {f"{table}_default"}


def of_days(first: int, last: int, table: str = "verdicts") -> set[str]:
    """Partitions of days counted from today."""
    return {f"{table}_{TODAY + number * DAY:%Y%m%d}" for number in range(first, last + 1)}


def ids(connection: Connection, table: str = "verdicts") -> list[int]:
    with transaction(connection) as cursor:
        cursor.execute(f"select event_id from {table} order by event_id")
        return [number for (number,) in cursor.fetchall()]


@pytest.fixture
def reader(api_settings: Settings) -> Iterator[Connection]:
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


def test_days_are_made_and_dropped_as_time_goes(database: Connection) -> None:
    store(database, [Row(event(days), NOW - days * DAY) for days in range(10)])
    with transaction(database) as cursor:
        cursor.execute(
            "insert into minute_counts select now() - n * interval '1 day', 'a', 'b', 1 from generate_series(0, 9) n"
        )
    maintain_partitions(database, 3)
    for table in ("verdicts", "rejected"):
        assert names(database, table) == of_days(-3, 2, table)
    assert ids(database) == [event(days) for days in range(4)]
    with transaction(database) as cursor:
        cursor.execute("select count(*) from minute_counts")
        assert cursor.fetchone() == (4,)
    maintain_partitions(database, 3, TODAY + 2 * DAY)
    assert names(database) == of_days(-1, 4)
    assert ids(database) == [event(0), event(1)]


def test_rows_of_the_default_partition_go_too_when_they_are_old(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_PIECE_ROWS", 3)
    ahead = Row(event(1), NOW + 90 * DAY)
    store(database, [ahead, *(Row(event(n), NOW - n * DAY) for n in range(20, 30))])
    assert ids(database, "verdicts_default") == sorted([event(1), *(event(n) for n in range(20, 30))])
    maintain_partitions(database)
    assert ids(database) == [event(1)]


def test_a_long_window_keeps_old_rows_without_a_partition_for_each_day(database: Connection) -> None:
    old = [Row(event(1), datetime(1970, 1, 1, tzinfo=UTC)), Row(event(2), NOW - 40 * DAY)]
    store(database, old)
    maintain_partitions(database, 36_500)
    assert names(database) == of_days(-7, 2)
    assert ids(database) == [event(1), event(2)]
    maintain_partitions(database, 60)
    assert ids(database) == [event(2)]


def test_a_day_that_somebody_reads_waits_and_nobody_waits_for_it(
    database: Connection, reader: Connection, api_settings: Settings
) -> None:
    store(database, [Row(event(5), NOW - 5 * DAY), Row(event(6), NOW - 6 * DAY)])
    with transaction(reader) as cursor:
        cursor.execute("select * from verdicts")
        maintain_partitions(database, 3)
        assert names(database) == of_days(-7, 2)
        other = connect(api_settings.postgres.dsn.get_secret_value())
        with transaction(other) as third:
            third.execute("set local lock_timeout = '1s'")
            third.execute("select count(*) from verdicts")
            assert third.fetchone() == (2,)
        other.close()
    maintain_partitions(database, 3)
    assert names(database) == of_days(-3, 2)
    assert ids(database) == []


def test_a_day_that_cannot_be_made_now_is_made_later(database: Connection, reader: Connection) -> None:
    tomorrow = TODAY + DAY
    with transaction(reader) as cursor:
        cursor.execute("select * from verdicts")
        ensure_partitions(database, 7, tomorrow)
        assert names(database) == of_days(-7, 2)
    ensure_partitions(database, 7, tomorrow)
    assert names(database) == of_days(-7, 3)


def test_a_replayed_batch_whose_day_was_dropped_finds_a_place_and_goes(
    database: Connection, api_settings: Settings
) -> None:
    old = NOW - 5 * DAY
    row = {"event_id": event(1), "recorded_at": old, "batch_id": 3, "is_attack": False, "action_type": "log_only"}
    rows = pa.Table.from_pylist([{**row, "action_status": "logged"}], verdict_schema())
    with adbc.connect(api_settings.postgres.dsn.get_secret_value()) as connection:
        for _ in range(2):
            maintain_partitions(database, 3)
            for _ in range(2):
                writer = PostgresRowWriter(connection, {})
                writer.write(rows, rejected_schema().empty_table())
                assert writer.receipt() == 1
            assert ids(database) == ids(database, "verdicts_default") == [event(1)]
    maintain_partitions(database, 3)
    assert ids(database) == []


def test_what_only_delta_has_is_shown_by_id_and_lists_say_where_they_begin(
    client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    old = NOW - 9 * DAY
    store(database, [Row(event(1), old), Row(event(2))])
    defaults = dict.fromkeys(verdicts_layout().schema.names)
    whole = {"event_id": event(1), "recorded_at": old, "batch_id": 0, "is_attack": False, "action_type": "log_only"}
    commit_part(verdicts_layout(), api_settings.paths.delta_root, [{**defaults, **whole, "action_status": "logged"}])
    maintain_partitions(database, api_settings.stream.serving_days)
    listed = read(client, "/predictions")
    assert [found["traffic_data_id"] for found in listed["predictions"]] == [event(2)]
    begin = datetime(*(TODAY - 7 * DAY).timetuple()[:3], tzinfo=UTC)
    assert listed["served_since"] == read(client, "/quarantine")["served_since"] == f"{begin:%Y-%m-%dT%H:%M:%S}.000Z"
    assert read(client, f"/predictions/{event(1)}")["traffic_data_id"] == event(1)


def test_the_window_begins_with_a_day() -> None:
    assert serving_since(1, date(2026, 3, 1)) == datetime(2026, 2, 28, tzinfo=UTC)


def test_postgres_going_away_is_no_partition_in_use(database: Connection) -> None:
    database.close()
    with pytest.raises(ServiceUnavailable, match="Postgres went away"):
        maintain_partitions(database)
