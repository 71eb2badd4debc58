"""A dist, built once, and for each test a Spark cluster and hosts that have the dist and nothing else of netheal."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netheal.settings import PROJECT_ROOT
from tests.cluster.spark_cluster import SparkCluster, unpack_dist
from tests.deadlines import TEST_S
from tests.stack.conftest import examinations, make_world, pytest_runtest_makereport, services, var_folder

__all__ = ["examinations", "make_world", "pytest_runtest_makereport", "services", "var_folder"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder have the time that they need on a loaded machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_S))


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make dist` builds."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    script = PROJECT_ROOT / "scripts" / "build_dist.py"
    subprocess.run([sys.executable, script, folder], check=True, cwd=PROJECT_ROOT, env=dict(os.environ))
    return folder


@pytest.fixture(scope="session")
def host(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client machine: a folder with an unpacked dist."""
    return unpack_dist(dist, tmp_path_factory.mktemp("hosts") / "host")


@pytest.fixture
def cluster(var_folder: Path) -> Iterator[SparkCluster]:
    """Not started yet; at the end nothing of it runs."""
    made = SparkCluster(var_folder / "spark-cluster")
    yield made
    made.stop()
