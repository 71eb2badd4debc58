"""Real servers on folders of their own, ended whatever a test does."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from netheal.embedded.kafka import EmbeddedKafka
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.settings import load_settings


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to every user, which the folders of pytest are not."""
    made = Path(tempfile.mkdtemp(prefix="netheal-test-"))
    made.chmod(0o755)
    yield made
    assert not processes_of(made), "processes were left behind"
    shutil.rmtree(made)


def processes_of(folder: Path) -> list[int]:
    """Pids of processes that name the folder on their command line or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words):
            found.append(process.pid)
    return found


@pytest.fixture
def jars() -> Path:
    return load_settings().paths.tools_dir


@pytest.fixture
def broker(folder: Path, jars: Path) -> Iterator[EmbeddedKafka]:
    kafka = EmbeddedKafka(folder / "kafka", jars, 0, folder / "log", heap_mb=384)
    yield kafka
    kafka.stop()


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(folder / "postgres", 0, folder / "log")
    yield postgres
    postgres.stop()
