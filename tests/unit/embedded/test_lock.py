"""One owner a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from netheal.errors import SettingsError
from netheal.host.lock import FolderLock


def test_a_second_owner_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        with pytest.raises(SettingsError, match=r"already running in .* \(process \d+\): stop it first"):
            FolderLock(tmp_path).acquire()
        assert FolderLock(tmp_path).held_elsewhere()
    assert not FolderLock(tmp_path).held_elsewhere()
    FolderLock(tmp_path).acquire()


def test_the_lock_of_a_killed_owner_is_free(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from netheal.host.lock import FolderLock
FolderLock(Path({str(tmp_path)!r})).acquire()
print("held", flush=True)
input()
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None and owner.stdout.readline() == "held\n"
        assert FolderLock(tmp_path).held_elsewhere()
        owner.kill()
    with FolderLock(tmp_path):
        pass
