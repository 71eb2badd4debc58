"""The starter models, examined once for all runs."""

from pathlib import Path

import pytest

from netheal.settings.components import PathSettings


@pytest.fixture(scope="session")
def examinations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is kept what examinations found."""
    return tmp_path_factory.mktemp("examinations")


@pytest.fixture(autouse=True)
def _examined_once(examinations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathSettings, "examinations_dir", examinations)
