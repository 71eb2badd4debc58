"""A task that Spark has given up, and that lives on, stores nothing once its batch has gone on without it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pytest

from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.errors import StreamRefused
from netheal.settings import Settings
from netheal.sinks.postgres_rows import BatchFence, PostgresRowWriter
from netheal.store.database import Connection, connect, transaction
from netheal.store.ledger import BatchPins, Ledger

PINS = BatchPins("flows", "id", {"0": 0}, {"0": 10}, {"attack/v1": "a", "threat/v1": "b"}, "v")
ROW = {"event_id": 1024, "recorded_at": datetime.now(UTC), "batch_id": 4, "is_attack": False, "action_type": "log_only"}


@pytest.fixture
def connection(api_settings: Settings) -> Iterator[Connection]:
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


def store(settings: Settings, models: dict[str, str]) -> int:
    """What the task does that was pinned to these models."""
    with adbc.connect(settings.postgres.dsn.get_secret_value()) as own:
        writer = PostgresRowWriter(own, {}, BatchFence("query", 4, models))
        verdicts = pa.Table.from_pylist([{**ROW, "action_status": "logged"}], verdict_schema())
        writer.write(verdicts, rejected_schema().empty_table())
        return writer.receipt()


def stored(connection: Connection) -> int:
    with transaction(connection) as cursor:
        cursor.execute("select count(*) from verdicts")
        return int((cursor.fetchone() or (0,))[0])


def test_two_attempts_at_a_task_of_an_open_batch_store_a_row_once(
    connection: Connection, api_settings: Settings
) -> None:
    Ledger(connection, "query").open_batch(4, PINS, {})
    for _ in range(2):
        assert store(api_settings, PINS.models) == 1
    assert stored(connection) == 1


def test_a_task_of_a_batch_that_is_done_stores_nothing(connection: Connection, api_settings: Settings) -> None:
    ledger = Ledger(connection, "query")
    ledger.open_batch(4, PINS, {})
    ledger.close_batch(4, 1, 0, {})
    with pytest.raises(StreamRefused, match="has gone on without this task"):
        store(api_settings, PINS.models)
    assert stored(connection) == 0


def test_a_task_with_models_that_the_batch_has_no_more_stores_nothing(
    connection: Connection, api_settings: Settings
) -> None:
    ledger = Ledger(connection, "query")
    ledger.open_batch(4, PINS, {})
    with pytest.raises(StreamRefused, match="has gone on without this task"):
        store(api_settings, {**PINS.models, "attack/v1": "other"})
    assert stored(connection) == 0
