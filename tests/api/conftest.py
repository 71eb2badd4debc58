"""The API on a real PostgreSQL: a migrated database and folders of its own for each test."""

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from psycopg2 import sql
from pydantic import SecretStr

from api.app import create_app
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.registry.artefacts import Artefacts
from netheal.registry.starters import import_starters
from netheal.settings import Settings, load_settings
from netheal.store.database import Connection, connect, migrate
from netheal.store.partitions import ensure_partitions
from tests.api.served import Serve, Served

_NUMBERS = itertools.count()
_TEMPLATE = "api_template"


def _administer(dsn: str, statement: sql.Composable) -> None:
    connection = psycopg2.connect(dsn, connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for all tests, with a migrated database to copy."""
    folder = Path(tempfile.mkdtemp(prefix="netheal-api-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "postgres", 0, folder / "log")
    try:
        server.start()
        _administer(server.superuser_dsn, sql.SQL("create database {} owner netheal").format(sql.Identifier(_TEMPLATE)))
        template = f"{server.dsn.rpartition('/')[0]}/{_TEMPLATE}"
        migrate(template)
        connection = connect(template)
        ensure_partitions(connection)
        connection.close()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def api_settings(postgres: EmbeddedPostgres, tmp_path: Path) -> Settings:
    """Settings that name a fresh database; no broker answers at the address given."""
    name = f"api{os.getpid()}_{next(_NUMBERS)}"
    copy = sql.SQL("create database {} owner netheal template {}").format(
        sql.Identifier(name), sql.Identifier(_TEMPLATE)
    )
    _administer(postgres.superuser_dsn, copy)
    return load_settings(
        tmp_path / "no-such-file.toml",
        var_dir=tmp_path / "var",
        postgres_dsn=SecretStr(f"{postgres.dsn.rpartition('/')[0]}/{name}"),
        kafka_bootstrap_servers="127.0.0.1:1",
    )


@pytest.fixture
def app(api_settings: Settings) -> APIFlask:
    return create_app(api_settings)


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """A client on loopback, where no token is asked for."""
    return app.test_client()


@pytest.fixture
def database(api_settings: Settings) -> Iterator[Connection]:
    """A connection of the test's own to the same database."""
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


@pytest.fixture
def serve(api_settings: Settings, tmp_path: Path) -> Iterator[Serve]:
    served: list[Served] = []

    def start(**env: str) -> Served:
        served.append(Served(api_settings, tmp_path / f"api-{len(served)}.log", **env))
        return served[-1]

    yield start
    for one in served:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


@pytest.fixture
def starters(database: Connection, api_settings: Settings) -> None:
    """The starter models are registered and active."""
    import_starters(database, Artefacts(api_settings.paths.artefacts_dir), api_settings.paths.starter_models_dir)
