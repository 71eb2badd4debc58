"""`netheal notebook`: on loopback, behind a token, with all that Jupyter writes in var."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netheal.cli import notebook
from netheal.errors import SettingsError
from netheal.settings import Settings


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "find_spec", lambda name: None if name == "jupytext" else object())
    with pytest.raises(SettingsError, match=r"the notebooks need jupytext, .*: run `make dev` in /"):
        notebook.require_notebooks()


def test_a_checkout_without_notebooks_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(notebook, "NOTEBOOKS_DIR", tmp_path)
    with pytest.raises(SettingsError, match="there are no notebooks in"):
        notebook.require_notebooks()


def test_everything_is_written_to_var_and_paths_are_whole(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = notebook.jupyter_environment(settings.replaced(notebook_data="data", var_dir=Path("var")))
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
    for name in folders:
        assert Path(found[name]).is_relative_to(tmp_path / "var" / "cache")
    assert found["NETHEAL_VAR_DIR"] == str(tmp_path / "var")
    assert found["NETHEAL_NOTEBOOK_DATA"] == str(tmp_path / "data")


def test_a_store_that_is_a_uri_stays_one(settings: Settings) -> None:
    found = notebook.jupyter_environment(settings.replaced(notebook_data="s3://bucket/delta"))
    assert found.get("NETHEAL_NOTEBOOK_DATA") in (None, "s3://bucket/delta")


def test_jupyter_listens_on_loopback_and_keeps_its_token(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    became: list[Any] = []
    paired: list[list[str]] = []

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[bytes]":
        paired.append(command)
        return subprocess.CompletedProcess(command, 0)

    def become(program: str, arguments: list[str], environment: dict[str, str]) -> None:
        became.append((program, arguments, environment))
        raise SystemExit

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "execve", become)
    with pytest.raises(SystemExit):
        notebook.open_notebooks(settings, browser=False)
    assert paired[0][1:5] == ["-m", "jupytext", "--quiet", "--sync"] and len(paired[0]) == 5 + 6
    ((program, arguments, environment),) = became
    assert program == sys.executable
    assert {"--ServerApp.ip=127.0.0.1", "--no-browser", "--LabApp.news_url=None"} <= set(arguments)
    assert not [option for option in arguments if "token" in option or "password" in option]
    assert environment["JUPYTER_RUNTIME_DIR"].startswith(str(settings.paths.var_dir))
