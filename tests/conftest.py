"""What the tests of all rooms share: the checkout, the public data, the starter models, settings of their own."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from netheal.bundles.served import ServedBundle, read_served
from netheal.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
Eventually = Callable[[Callable[[], bool]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of what can be made larger at will."""
    parser.addoption("--intake-mutants", type=int, default=200, help="mutants of good bundles to examine")
    parser.addoption("--whole-records", type=int, default=20_000, help="fuzzed Kafka records to send through the job")
    parser.addoption("--browser-minutes", type=float, default=0.5, help="how long the dashboard is watched under load")
    parser.addoption("--screenshots", type=Path, metavar="DIR", help="write pictures of the dashboard there")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets, which is not part of the repository."""
    named = os.environ.get("NETHEAL_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("public data sets are not here: set NETHEAL_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def models() -> Path:
    """The committed starter models."""
    return ROOT / "research" / "models"


@pytest.fixture(scope="session")
def threat_bundle(models: Path) -> ServedBundle:
    """The starter threat detector."""
    return read_served(models / "threat_detector")


@pytest.fixture(scope="session")
def attack_bundle(models: Path) -> ServedBundle:
    """The starter attack classifier."""
    return read_served(models / "attack_classifier")


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No setting comes from outside."""
    for name in [name for name in os.environ if name.startswith("NETHEAL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def settings(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The shipped settings with a var folder of the test's own."""
    return load_settings(tmp_path / "no-such-file.toml", var_dir=tmp_path / "var")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """A test may configure the logging."""
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.fixture
def eventually() -> Eventually:
    """Waits for a condition, with a deadline."""

    def wait(condition: Callable[[], bool], deadline_s: float = 30.0) -> None:
        limit = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < limit, "the condition did not come to hold"
            time.sleep(0.02)

    return wait
