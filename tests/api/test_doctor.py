"""`netheal doctor` against a real PostgreSQL: each thing broken once, and what it says to do about it."""

import time
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr

from netheal.cli import postgres_checks
from netheal.cli.doctor import doctor
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.errors import SettingsError
from netheal.settings import Settings
from netheal.store.database import Connection, transaction

ROLE = sql.Identifier("doctors_reader")


def checks(settings: Settings) -> dict[str, tuple[bool, str]]:
    """What is said of the database; there is no broker."""
    found = doctor(settings.replaced(kafka_bootstrap_servers=""))
    return {check.name: (check.ok, check.text) for check in found if check.name.startswith("database")}


def test_what_is_well_is_said(database: Connection, api_settings: Settings) -> None:
    found = checks(api_settings)
    assert len(found) == 4 and all(ok for ok, _ in found.values()), found
    assert found["database"][1].startswith("PostgreSQL 1")


def test_tables_of_another_version(database: Connection, api_settings: Settings) -> None:
    with transaction(database) as cursor:
        cursor.execute("update alembic_version set version_num = '0001'")
    ok, told = checks(api_settings)["database schema"]
    assert not ok and "the tables are of revision 0001" in told


def test_no_tables_are_no_fault(database: Connection, api_settings: Settings) -> None:
    with transaction(database) as cursor:
        cursor.execute("drop table alembic_version")
    assert checks(api_settings)["database schema"] == (True, "no tables yet: the job makes them as it starts")


@pytest.fixture
def reader(database: Connection, api_settings: Settings, postgres: EmbeddedPostgres) -> Iterator[Settings]:
    """The settings with a role that may only read."""
    dsn = api_settings.postgres.dsn.get_secret_value()
    admin = psycopg2.connect(f"{postgres.superuser_dsn.rpartition('/')[0]}/{dsn.rpartition('/')[2]}")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("create role {} login password 'x'").format(ROLE))
        cursor.execute(sql.SQL("grant select on all tables in schema public to {}").format(ROLE))
    server = dsn.partition("://")[2].partition("@")[2]
    yield api_settings.replaced(postgres_dsn=SecretStr(f"postgresql://doctors_reader:x@{server}"))
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("drop owned by {}").format(ROLE))
        cursor.execute(sql.SQL("drop role {}").format(ROLE))
    admin.close()


def test_a_role_that_may_not_write(reader: Settings) -> None:
    ok, told = checks(reader)["database rights"]
    assert not ok and "may not create tables in its schema" in told
    assert "grant select, insert, update, delete" in told


@pytest.mark.parametrize(("by_s", "word"), [(-60.0, "ahead of"), (60.0, "behind")])
def test_a_database_with_another_time(database: Connection, by_s: float, word: str) -> None:
    with pytest.raises(SettingsError, match=f"PostgreSQL's clock is 60 s {word} this machine's"):
        postgres_checks.clock(database, lambda: time.time() + by_s)


def test_a_database_that_is_too_old(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_checks, "OLDEST_MAJOR", 99)
    with pytest.raises(SettingsError, match="netheal needs 99: use a newer server"):
        postgres_checks.server_version(database)
