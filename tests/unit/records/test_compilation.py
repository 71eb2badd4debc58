"""Compiled code is kept for other processes, until any source of it changes, and is not needed where it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netheal.records.json_scan.compilation import code_folder

SOURCES = {"scan.py": "a = 1", "numbers.py": "b = 2"}


def _package(folder: Path, sources: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in sources.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("changed", SOURCES)
def test_a_change_of_any_source_has_all_compiled_anew(tmp_path: Path, changed: str) -> None:
    one = _package(tmp_path / "one" / "scan", SOURCES)
    same = _package(tmp_path / "same" / "scan", SOURCES)
    other = _package(tmp_path / "other" / "scan", SOURCES | {changed: "c = 3"})
    assert code_folder(one).name == code_folder(same).name != code_folder(other).name


@pytest.mark.parametrize("folder", ["{tmp}/code", "/proc/none"], ids=["kept", "nowhere to keep it"])
def test_code_is_compiled_wherever_it_is_kept(tmp_path: Path, folder: str) -> None:
    there = folder.format(tmp=tmp_path)
    subprocess.run(
        [sys.executable, "-m", "netheal.records.json_scan"],
        env=os.environ | {"NUMBA_CACHE_DIR": there},
        check=True,
        timeout=300,
    )
    assert any(Path(there).rglob("scan.scan-*.nbc")) == there.startswith(str(tmp_path))
