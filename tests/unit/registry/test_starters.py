"""A starter model goes through the intake once a version, and again as soon as anything of it is another."""

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import read_served
from netheal.errors import BundleError, ServiceUnavailable
from netheal.registry import starters
from netheal.registry.starters import examine_starters, examined_starter


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that went through the intake, in order."""
    seen: list[str] = []
    real = examine_file

    def watched(path: Path, *how: Any) -> Any:
        seen.append(path.name)
        return real(path, *how)

    monkeypatch.setattr(starters, "examine_file", watched)
    return seen


@pytest.fixture
def tree(models: Path, tmp_path: Path) -> Path:
    """A folder with one starter model, which a test may change."""
    shutil.copytree(models / "attack_classifier", tmp_path / "models" / "attack_classifier")
    return tmp_path / "models"


def test_once_a_version(tree: Path, tmp_path: Path, examined: list[str]) -> None:
    cache, folder = tmp_path / "cache", tree / "attack_classifier"
    examine_starters(tree, cache)
    examine_starters(tree, cache)
    committed = read_served(folder)
    bundle, upload = examined_starter(folder, committed, cache)
    assert examined == ["attack_classifier.joblib"]
    assert bundle is committed
    assert all(step["passed"] for step in upload.validation["steps"]) and upload.validation["steps"]
    (note,) = cache.iterdir()
    note.write_text("{cut")
    examine_starters(tree, cache)
    assert len(examined) == 2 and json.loads(note.read_text())["steps"] == upload.validation["steps"]


def test_another_file_is_examined_and_may_be_refused(tree: Path, tmp_path: Path, examined: list[str]) -> None:
    cache, source = tmp_path / "cache", tree / "attack_classifier" / "attack_classifier.joblib"
    examine_starters(tree, cache)
    source.write_bytes(b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00truetR.")
    for _ in range(2):  # a refusal is nothing to keep
        with pytest.raises(BundleError, match="attack_classifier.joblib was refused"):
            examine_starters(tree, cache)
    assert len(examined) == 3 and len(list(cache.iterdir())) == 1


def test_a_busy_machine_is_no_refusal(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starters._WALL_S >= 300
    monkeypatch.setattr(starters, "_WALL_S", 0.05)
    with pytest.raises(ServiceUnavailable, match="attack_classifier.joblib is not examined yet: .* longer than"):
        examine_starters(tree, tmp_path / "cache")


def test_a_machine_without_processes_left_is_no_refusal(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ServiceUnavailable, match="not possible now: Resource temporarily unavailable"):
        examine_starters(tree, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_costs_time_alone(tree: Path, tmp_path: Path, examined: list[str]) -> None:
    cache = tmp_path / "cache"
    cache.write_text("a file where the folder would be")
    examine_starters(tree, cache)
    examine_starters(tree, cache)
    assert len(examined) == 2


def test_a_note_that_cannot_be_written_leaves_no_part_of_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "replace", full)
    examine_starters(tree, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_bundle_beside_the_starters_is_for_uploading(
    tree: Path, models: Path, tmp_path: Path, examined: list[str]
) -> None:
    shutil.copytree(models / "attack_classifier_tree", tree / "attack_classifier_tree")
    examine_starters(tree, tmp_path / "cache")
    assert len(examined) == 1 and len(list((tmp_path / "cache").iterdir())) == 1
