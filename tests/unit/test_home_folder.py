"""No library that netheal loads keeps anything under the home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netheal.settings import PROJECT_ROOT

VARIABLES = ("ORT_DISABLE_TELEMETRY", "KERAS_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


@pytest.mark.parametrize(
    "module",
    [
        "netheal.bundles.intake.examine",
        "netheal.bundles.intake.validate_file",
        "api.app",
        "jobs.score_stream",
        "jobs.rescore_csv",
        "udfs.pandas",
        "research.threat_classification",
        "research.fit_traffic_profiles",
    ],
)
def test_an_import_leaves_the_home_folder_empty(module: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=PROJECT_ROOT,
        env={**env, "HOME": str(home), "ORT_DISABLE_TELEMETRY": "0"},
        check=True,
        timeout=120,
        capture_output=True,
    )
    assert list(home.rglob("*")) == []
