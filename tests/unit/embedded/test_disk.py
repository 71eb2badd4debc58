"""A disk that fills is noticed, named, and noticed to have room again."""

import errno
import os
from pathlib import Path

import pytest

from netheal.host.atomic_write import write_whole
from netheal.host.disk import FREE_AGAIN_BYTES, FULL_BYTES, DiskSpace, DiskWatch, disk_space, written_folders
from netheal.settings import Settings

ROOM = 10 * FULL_BYTES


class Disks:
    """Free bytes by folder, as the test says."""

    def __init__(self, **free: int) -> None:
        self.free = free
        self.files_left = True

    def __call__(self, path: Path) -> DiskSpace:
        return DiskSpace(path, self.free[path.name], 100 * FULL_BYTES, self.files_left)

    def watch(self) -> DiskWatch:
        return DiskWatch([Path("/disks") / name for name in self.free], self)


def test_the_fullest_disk_is_named_with_what_is_left() -> None:
    disks = Disks(a=ROOM, b=3 * 2**20, c=5 * 2**20)
    full = disks.watch().full()
    assert full is not None and full.path == Path("/disks/b")
    assert str(full).startswith("disk full: 3 MiB of 6.2 GiB free at /disks/b: free some")


def test_room_for_a_moment_is_not_room_again() -> None:
    disks = Disks(a=0)
    watch = disks.watch()
    assert watch.full()
    disks.free["a"] = FREE_AGAIN_BYTES - 1
    assert watch.full()
    disks.free["a"] = FREE_AGAIN_BYTES
    assert watch.full() is None
    disks.free["a"] = FULL_BYTES
    assert watch.full() is None


def test_a_full_disk_does_not_raise_the_limit_of_another() -> None:
    disks = Disks(a=0, b=FREE_AGAIN_BYTES - 1)
    watch = disks.watch()
    assert watch.full()
    disks.free["a"] = ROOM
    assert watch.full() is None


def test_a_disk_without_a_file_left_is_full() -> None:
    disks = Disks(a=ROOM)
    disks.files_left = False
    assert "no more files can be made at /disks/a" in str(disks.watch().full())


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    assert disk_space(tmp_path / "none" / "yet").total_bytes == disk_space(tmp_path).total_bytes > 0


def test_only_folders_of_this_machine_are_looked_at(settings: Settings) -> None:
    remote = settings.replaced(store_root="s3a://lake/delta", checkpoint_dir="/mnt/checkpoint")
    assert written_folders(remote) == [
        settings.paths.var_dir,
        Path(settings.paths.artefacts_dir),
        Path("/mnt/checkpoint"),
    ]


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "ports.json"
    write_whole(note, "old")

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(note, "new")
    assert note.read_text() == "old"
    assert list(tmp_path.iterdir()) == [note]
    write_whole(note, "old")  # nothing to write, nothing to fail
