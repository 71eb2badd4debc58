"""Temporary files lie in the var folder, and go with their process, however it ends."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.scratch import use_scratch_folder
from netheal.settings import PROJECT_ROOT

HOLD = """
import os, subprocess, sys, tempfile
from pathlib import Path
from netheal.host.scratch import use_scratch_folder
root = Path(sys.argv[1])
folder = use_scratch_folder(root, "job")
assert folder == use_scratch_folder(root, "job")
held = tempfile.NamedTemporaryFile(delete=False)
child = subprocess.check_output([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"], text=True)
if os.fork() == 0:
    sys.exit()
os.wait()
print(folder, held.name, child.strip(), flush=True)
sys.stdin.read()
"""


def start(root: Path) -> "tuple[subprocess.Popen[str], Path]":
    """A process with a scratch folder, and a file in it; it ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    folder, file, seen_by_child = process.stdout.readline().split()
    assert folder == seen_by_child
    assert Path(file).parent == Path(folder) and Path(folder).parent == root
    return process, Path(file)


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate()
    assert process.returncode == 0


def test_it_goes_with_the_process_and_not_with_a_fork(tmp_path: Path) -> None:
    process, file = start(tmp_path / "tmp")
    assert file.exists()
    end(process)
    assert not file.parent.exists()


def test_what_a_killed_process_left_is_removed_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    living, of_living = start(tmp_path / "tmp")
    killed, of_killed = start(tmp_path / "tmp")
    killed.kill()
    killed.communicate()
    assert of_killed.exists()
    third, _ = start(tmp_path / "tmp")
    assert not of_killed.parent.exists()
    assert of_living.exists()
    end(living)
    end(third)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("a file")
    with pytest.raises(SettingsError, match="cannot be written"):
        use_scratch_folder(tmp_path / "tmp", "job")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_waited_out_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(**_: object) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(ServiceUnavailable, match=f"disk full: .*{tmp_path}"):
        use_scratch_folder(tmp_path / "tmp", "job")
