"""Every notebook runs from top to bottom on generated traffic, and what they share says what it cannot read."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from netheal.cli.notebook import NOTEBOOKS_DIR, require_notebooks
from netheal.errors import SettingsError
from netheal.settings import Settings

PLOTS = {
    "01_stored_traffic": 3,
    "02_right_and_wrong": 5,
    "03_threshold_by_cost": 4,
    "04_drift": 4,
    "05_csv_to_model": 2,
    "06_healing": 3,
}


@dataclass(frozen=True)
class Executed:
    """What came of executing all of them."""

    pages: Path
    output: str


@pytest.fixture(scope="module")
def executed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    """All of them, one after the other, as `make notebooks` does, but with few rows."""
    folder = tmp_path_factory.mktemp("notebooks")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("NETHEAL_")}
    own = {
        "NETHEAL_VAR_DIR": str(folder / "var"),
        "NETHEAL_NOTEBOOK_ROWS": "2000",
        "NETHEAL_DRIVER_MEMORY": "1g",
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1",  # a JVM of seconds: compiling well costs more than it gains
    }
    command = [sys.executable, "notebooks/execute_notebooks.py", "--html", str(folder / "html")]
    done = subprocess.run(command, cwd=root, env=outside | own, capture_output=True, text=True, check=False)
    yield Executed(folder / "html", done.stdout + done.stderr)


def test_all_notebooks_are_tested() -> None:
    assert [path.stem for path in require_notebooks()] == list(PLOTS)


@pytest.mark.parametrize("name", PLOTS)
def test_a_notebook_runs_and_draws(name: str, executed: Executed) -> None:
    assert re.search(rf"^{name}\.py: \d+ s", executed.output, re.MULTILINE), executed.output[-5_000:]
    page = (executed.pages / f"{name}.html").read_text("utf-8")
    assert page.count('src="data:image/png;base64') == PLOTS[name]


def test_the_scripts_are_committed_without_outputs(root: Path, executed: Executed) -> None:
    tracked = subprocess.run(["git", "ls-files", "notebooks"], cwd=root, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("this is no git checkout")
    assert not [name for name in tracked.stdout.splitlines() if name.endswith((".ipynb", ".png", ".html"))]


@pytest.fixture
def stored_traffic(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that makes Delta tables, as a notebook imports it."""
    monkeypatch.syspath_prepend(str(NOTEBOOKS_DIR))
    return import_module("stored_traffic")


def test_generated_tables_are_made_once_and_read_again_as_somebody_s(
    stored_traffic: ModuleType, settings: Settings
) -> None:
    few = settings.replaced(notebook_rows=2_000)
    root = stored_traffic.stored_traffic(few)
    rows = {name: pl.read_delta(f"{root}/{name}").height for name in ("verdicts", "quarantine")}
    assert sum(rows.values()) == 2_000 and rows["quarantine"] > 0
    begun = (Path(root) / "verdicts" / "_delta_log").stat().st_mtime_ns
    assert stored_traffic.stored_traffic(few) == root
    assert stored_traffic.stored_traffic(settings.replaced(notebook_data=root)) == root
    assert (Path(root) / "verdicts" / "_delta_log").stat().st_mtime_ns == begun


def test_the_second_meter_measures_the_last_two_days(stored_traffic: ModuleType, settings: Settings) -> None:
    root = stored_traffic.stored_traffic(settings.replaced(notebook_rows=2_000))
    flows = pl.read_delta(f"{root}/verdicts").filter(pl.col("attack_class").is_not_null())
    by_day = flows.group_by("date").agg(pl.col("init_win_bytes_forward").min()).sort("date")
    assert by_day["init_win_bytes_forward"].to_list() == [-1.0] * 5 + [0.0] * 2


def test_a_folder_of_something_else_is_refused_with_what_is_needed(
    stored_traffic: ModuleType, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"no .*original_90k\.parquet: NETHEAL_NOTEBOOK_DATA names"):
        stored_traffic.stored_traffic(settings.replaced(notebook_data=str(tmp_path)))
    assert list((settings.paths.var_dir / "notebooks").iterdir()) == []
