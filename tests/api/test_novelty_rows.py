"""How new a row was reaches Postgres as the job said it, in a database that held rows before there was novelty."""

from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from psycopg2 import sql

from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.sinks.postgres_rows import PostgresRowWriter
from netheal.store.database import connect, migrate, transaction
from netheal.store.predictions import Verdict, find_verdict
from tests.api.conftest import _administer
from tests.api.stored_rows import NOW, event


def test_a_database_from_before_goes_on(postgres: EmbeddedPostgres) -> None:
    server, _, _ = postgres.dsn.rpartition("/")
    _administer(postgres.superuser_dsn, sql.SQL("create database before_0004 owner netheal"))
    dsn = f"{server}/before_0004"
    migrate(dsn, "0003")
    connection = connect(dsn)
    with transaction(connection) as cursor:
        cursor.execute(
            "insert into verdicts (event_id, recorded_at, batch_id, is_attack, attack_class_id, attack_confidence,"
            " action_type, action_status) values (%s, %s, 0, false, 0, 0.9, 'log_only', 'logged')",
            (event(1), NOW),
        )
    migrate(dsn)
    for _ in range(2):  # the second time is a replay, whose rows are there already
        with adbc.connect(dsn) as other:
            writer = PostgresRowWriter(other, {})
            writer.write(verdicts(event(2), attack_novelty=0.75, attack_is_novel=True), rejected_schema().empty_table())
            writer.receipt()
    old, new = find(connection, 1), find(connection, 2)
    assert (old.attack_confidence, old.attack_novelty, old.attack_is_novel) == (0.9, None, None)
    assert (new.attack_novelty, new.attack_is_novel, new.threat_novelty, new.threat_is_novel) == (
        0.75,
        True,
        None,
        None,
    )
    connection.close()


def verdicts(event_id: int, **columns: Any) -> pa.Table:
    row = {"event_id": event_id, "recorded_at": NOW, "batch_id": 1, "is_attack": False, "action_type": "log_only"}
    return pa.Table.from_pylist([row | {"action_status": "logged"} | columns], verdict_schema())


def find(connection: Any, offset: int) -> Verdict:
    found = find_verdict(connection, event(offset))
    assert found is not None
    return found
