"""Spark's sockets are where only their user can reach them, at paths that a socket may have."""

import socket
import stat
import tempfile
import uuid
from pathlib import Path

import pytest

from jobs.stages.worker_sockets import claim_folder, socket_properties

FOLDER = "spark.python.unix.domain.socket.dir"
LONGEST = 60
"""Characters that Spark allows there: with more, its first task fails."""


@pytest.mark.parametrize("temporary", ["t", "t" * 20, "t" * 40, "t" * 60])
def test_a_socket_can_be_made_however_long_the_path_of_temporary_files_is(
    temporary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix=temporary) as root:
        monkeypatch.setattr(tempfile, "tempdir", root)
        socket_properties.cache_clear()
        folder = Path(socket_properties()[FOLDER])
        assert len(str(folder)) <= LONGEST
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / f".{uuid.uuid4()}.sock"))
    socket_properties.cache_clear()


def test_a_session_that_is_made_again_has_the_folder_of_the_first() -> None:
    assert socket_properties() == socket_properties()


def test_a_folder_that_is_not_there_is_made_for_this_user_alone(tmp_path: Path) -> None:
    claim_folder(tmp_path / "sockets")
    claim_folder(tmp_path / "sockets")
    assert stat.S_IMODE((tmp_path / "sockets").stat().st_mode) == 0o700


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(PermissionError, match="can enter"):
        claim_folder(tmp_path)


def test_a_link_that_somebody_laid_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    with pytest.raises(PermissionError):
        claim_folder(tmp_path / "link")
