"""Every way in which a power cut or a person leaves a checkpoint is found before Spark stumbles over it."""

import errno
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from netheal.cli.doctor import checkpoint_check
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.recovery.checkpoint import (
    LocalFiles,
    ResumePoint,
    checkpoint_files,
    checkpoint_folder,
    read_checkpoint,
    read_offsets,
)
from netheal.settings import load_settings

TOPIC = "flows"
QUERY = "48f86c55-4bce-4690-a02f-213e56bf6870"
HEAD = '{"batchWatermarkMs":0,"batchTimestampMs":1795701113999,"conf":{"spark.sql.shuffle.partitions":"200"}}'
LAST = 3


def put(folder: Path, name: str, content: bytes) -> None:
    """A file as Spark writes it: with Hadoop's checksums beside it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sums = b"".join(zlib.crc32(content[at : at + 512]).to_bytes(4) for at in range(0, len(content), 512))
    path.with_name(f".{path.name}.crc").write_bytes(b"crc\0" + (512).to_bytes(4) + sums)


def offsets(end: int) -> bytes:
    return f'v1\n{HEAD}\n{{"{TOPIC}":{{"0":{end},"1":{end}}}}}'.encode()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Four batches, all over, as Spark 4.2 left them."""
    folder = tmp_path / "checkpoint" / "topic_id"
    put(folder, "metadata", f'{{"id":"{QUERY}"}}'.encode())
    put(folder, "sources/0/0", b"\0v1\n" + f'{{"{TOPIC}":{{"0":0,"1":0}}}}'.encode())
    for batch_id in range(LAST + 1):
        put(folder, f"offsets/{batch_id}", offsets(150 * (batch_id + 1)))
        put(folder, f"commits/{batch_id}", b'v1\n{"nextBatchWatermarkMs":0}')
    return folder


def cut(name: str, size: int) -> Callable[[Path], object]:
    """The file's first bytes alone; Hadoop renames file and checksums apart, so that the latter may be whole."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def empty(name: str) -> Callable[[Path], object]:
    return cut(name, 0)


def zeroed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(bytes((folder / name).stat().st_size))


def gone(*names: str) -> Callable[[Path], object]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def changed(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes().replace(old, new))


def only_batch_0_begun(damage: Callable[[Path], object]) -> Callable[[Path], object]:
    def leave(folder: Path) -> None:
        shutil.rmtree(folder / "commits")
        gone("offsets/1", "offsets/2", "offsets/3")(folder)
        damage(folder)

    return leave


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "commit emptied": (empty("commits/3"), "commits/3 is empty"),
    "commit cut in its version": (cut("commits/3", 1), "commits/3 does not begin with v1"),
    "commit cut after its version": (cut("commits/3", 2), "commits/3 is cut off"),
    "commit cut": (cut("commits/3", 12), "commits/3 is cut off"),
    "commit full of zeros": (zeroed("commits/3"), "commits/3 is empty"),
    "offsets emptied": (empty("offsets/3"), "offsets/3 is empty"),
    "offsets cut before the source": (cut("offsets/3", 3 + len(HEAD)), "offsets/3 is cut off"),
    "offsets cut in the source": (cut("offsets/3", 12 + len(HEAD)), "offsets/3 is cut off"),
    "offsets full of zeros": (zeroed("offsets/3"), "offsets/3 is empty"),
    "offsets of another topic": (changed("offsets/3", b"flows", b"other"), "offsets/3 holds no offsets of topic flows"),
    "offsets changed": (changed("offsets/3", b"600", b"601"), "offsets/3 does not match its checksum"),
    "offsets of the batch before emptied": (empty("offsets/2"), "offsets/2 is empty"),
    "offsets of the batch before gone": (gone("offsets/2"), "offsets/2 is missing"),
    "last offsets gone": (gone("offsets/3"), "offsets/3 is missing, though commits/3 is there"),
    "all offsets gone": (lambda folder: shutil.rmtree(folder / "offsets"), "offsets/3 is missing"),
    "metadata gone": (gone("metadata"), "metadata is missing"),
    "metadata emptied": (empty("metadata"), "metadata is empty"),
    "metadata cut": (cut("metadata", 20), "metadata is cut off"),
    "metadata without an id": (changed("metadata", b'"id"', b'"xx"'), "metadata holds no query id"),
    "beginning gone": (only_batch_0_begun(gone("sources/0/0")), "sources/0/0 is missing"),
    "beginning emptied": (only_batch_0_begun(empty("sources/0/0")), "sources/0/0 is empty"),
    "beginning cut": (only_batch_0_begun(cut("sources/0/0", 9)), "sources/0/0 is cut off"),
}

INTACT: dict[str, tuple[Callable[[Path], object], tuple[int, int]]] = {
    "untouched": (lambda folder: None, (3, 3)),
    "last commit gone": (gone("commits/3"), (3, 2)),
    "last commits gone": (gone("commits/3", "commits/2"), (3, 1)),
    "last batch gone": (gone("commits/3", "offsets/3"), (2, 2)),
    "what nobody reads any more": (gone("offsets/0", "commits/0", "sources/0/0"), (3, 3)),
    "an old file emptied": (empty("offsets/1"), (3, 3)),
    "checksums cut": (lambda folder: (folder / "commits/.3.crc").write_bytes(b"crc"), (3, 3)),
    "a file that was not renamed yet": (lambda folder: (folder / "offsets/.4.1a2b.tmp").touch(), (3, 3)),
    "only planned": (only_batch_0_begun(lambda folder: None), (0, -1)),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_found_and_named(checkpoint: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(checkpoint)
    found = read_checkpoint(LocalFiles(checkpoint), TOPIC)
    assert any(said in sentence for sentence in found.damage), found.damage


@pytest.mark.parametrize(("change", "batches"), INTACT.values(), ids=INTACT.keys())
def test_what_spark_copes_with_is_no_damage(
    checkpoint: Path, change: Callable[[Path], object], batches: tuple[int, int]
) -> None:
    change(checkpoint)
    found = read_checkpoint(LocalFiles(checkpoint), TOPIC)
    assert not found.damage
    assert (found.query_id, found.last_offsets, found.last_commit) == (QUERY, *batches)
    end = 150 * (batches[0] + 1)
    assert found.end == {"0": end, "1": end}


def test_a_folder_that_is_missing_or_empty_is_an_empty_checkpoint(tmp_path: Path) -> None:
    assert read_checkpoint(LocalFiles(tmp_path / "none"), TOPIC).is_empty
    (tmp_path / "folder" / "offsets").mkdir(parents=True)
    assert read_checkpoint(LocalFiles(tmp_path / "folder"), TOPIC).is_empty


@pytest.mark.parametrize("batch_id", [0, 1, 2, 7])
@pytest.mark.parametrize("end", [None, {"0": 40, "1": 50}])
def test_what_is_made_anew_reads_as_what_it_was_made_of(
    checkpoint: Path, batch_id: int, end: dict[str, int] | None
) -> None:
    start = {"0": 10, "1": 20}
    files = LocalFiles(checkpoint)
    old = files.replace(checkpoint_files(TOPIC, ResumePoint(QUERY, batch_id, start, end)), ".aside")
    assert old == f"{checkpoint}.aside"
    assert (Path(old) / f"offsets/{LAST}").is_file(), "the old checkpoint is kept"
    assert [path.name for path in checkpoint.parent.iterdir() if path.name.startswith(".")] == []
    found = read_checkpoint(files, TOPIC)
    assert not found.damage
    assert (found.query_id, found.last_commit) == (QUERY, batch_id - 1)
    assert found.last_offsets == (batch_id - 1 if end is None else batch_id)
    begins = "sources/0/0" if batch_id == 0 else f"offsets/{batch_id - 1}"
    assert read_offsets(files, begins, TOPIC) == start


def test_offsets_that_vanish_under_the_job_are_refused_with_the_command(checkpoint: Path) -> None:
    (checkpoint / "offsets/3").unlink()
    with pytest.raises(StreamRefused, match=r"offsets/3 is missing.*netheal checkpoint rebuild"):
        read_offsets(LocalFiles(checkpoint), "offsets/3", TOPIC)


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceUnavailable, match="cannot be written: Not a directory"):
        LocalFiles(tmp_path / "file" / "checkpoint").replace({"metadata": b"{}"}, ".old")


def test_doctor_finds_the_damage_of_the_checkpoint_in_use(checkpoint: Path, tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none.toml", var_dir=tmp_path, input_topic=TOPIC)
    assert checkpoint_check(settings).ok
    shutil.copytree(checkpoint, f"{checkpoint}.replaced-20261122T000000.0Z")
    empty("commits/3")(Path(f"{checkpoint}.replaced-20261122T000000.0Z"))
    assert checkpoint_check(settings).ok, "an old checkpoint that was set aside is nobody's concern"
    empty("commits/3")(checkpoint)
    check = checkpoint_check(settings)
    assert not check.ok
    assert "commits/3 is empty" in check.text
    assert "netheal checkpoint rebuild" in check.text


def test_every_incarnation_of_a_topic_has_a_folder_of_its_own() -> None:
    assert checkpoint_folder("/var/c/", "a+b/c") == "/var/c/a-b_c"


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one_and_no_copy(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ServiceUnavailable, match="No space"):
        LocalFiles(checkpoint).replace({"metadata": b"{}"}, ".old")
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
