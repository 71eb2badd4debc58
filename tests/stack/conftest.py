"""A real broker and a real PostgreSQL for all tests of a session; topics, a database and a folder for each test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr

from netheal.embedded.kafka import EmbeddedKafka
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.registry.starters import examine_starters
from netheal.settings import load_settings
from tests.deadlines import TEST_S
from tests.stack.harness import World, clear_away

_NUMBERS = itertools.count()
_PASSED = pytest.StashKey[bool]()


@dataclass(frozen=True)
class Services:
    """Where the shared servers are."""

    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres

    def new_database(self, name: str) -> str:
        """Make a database; its DSN."""
        connection = psycopg2.connect(self.postgres.superuser_dsn, connect_timeout=10)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("create database {} owner netheal").format(sql.Identifier(name)))
        finally:
            connection.close()
        return f"{self.postgres.dsn.rpartition('/')[0]}/{name}"


@pytest.fixture(autouse=True)
def free_api_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack of a test may need the port of another one, or of a netheal that runs on this machine."""
    monkeypatch.setenv("NETHEAL_API_PORT", "0")


@pytest.fixture(autouse=True)
def quick_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark's JVM lives for seconds here, in which a third of its time would go into the second compiler."""
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


def _open_folder() -> Path:
    """Open to every user, which the folders of pytest are not: PostgreSQL may run as another."""
    folder = Path(tempfile.mkdtemp(prefix="netheal-test-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    jars = load_settings().paths.tools_dir
    for kind in ("broker", "spark"):
        if not list((jars / kind).glob("*.jar")):
            pytest.skip(f"the jars are not in {jars / kind}: `make setup` fetches them")
    folder = _open_folder()
    kafka = EmbeddedKafka(folder / "kafka", jars, 0, folder / "log", heap_mb=384)
    postgres = EmbeddedPostgres(folder / "postgres", 0, folder / "log")
    try:
        kafka.start()
        postgres.start()
        yield Services(kafka, postgres)
    finally:
        kafka.stop()
        postgres.stop()
        clear_away(folder, failed=False)


@pytest.fixture(scope="session")
def examinations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examination of the starter models finds: five seconds of both cores, which every stack would take."""
    folder = tmp_path_factory.mktemp("examinations")
    examine_starters(load_settings().paths.starter_models_dir, folder)
    return folder


@pytest.fixture
def var_folder(request: pytest.FixtureRequest, examinations: Path) -> Iterator[Path]:
    """A new folder, with the starter models examined; afterwards no process may have to do with it."""
    folder = _open_folder()
    shutil.copytree(examinations, load_settings(var_dir=folder).paths.examinations_dir)
    yield folder
    clear_away(folder, failed=not request.node.stash.get(_PASSED, False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test's fixtures know whether it passed."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder have the time that they need on a loaded machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_S))


@pytest.fixture
def make_world(services: Services, var_folder: Path) -> Iterator[Callable[..., World]]:
    """Makes a stream of its own on the shared services; settings may be given by name."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        given = {
            "var_dir": var_folder,
            "kafka_bootstrap_servers": services.kafka.bootstrap_servers,
            "postgres_dsn": SecretStr(services.new_database(name)),
            "input_topic": f"in-{name}",
            "output_topic": f"out-{name}",
            "driver_memory": "1g",
        }
        world = World(load_settings(**{**given, **settings}))
        made.append(world)
        return world

    yield make
    for world in made:
        for job in world.jobs:
            job.kill()
