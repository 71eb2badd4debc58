"""What outlives a power cut: every file is synced, and its folder, in the order in which one relies on the other."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from netheal.bundles.served import read_served
from netheal.registry.artefacts import Artefacts
from netheal.settings import PROJECT_ROOT
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.compaction import compact
from netheal.store.delta import DeltaLog, Layout, Part

SCHEMA = pa.schema([("event_id", pa.int64()), ("recorded_at", pa.timestamp("us", "UTC")), ("text", pa.string())])
LAYOUT = Layout("verdicts", SCHEMA)
DAY = "date=2026-11-22"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were synced, in order."""
    seen: list[Path] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        seen.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return seen


def write_part(root: Path, batch_id: int) -> list[Part]:
    writer = DeltaPartWriter(LAYOUT, str(root), batch_id)
    when = [datetime(2026, 11, 22, 12, tzinfo=UTC)]
    writer.write(pa.table({"event_id": [batch_id * 1024], "recorded_at": when, "text": ["x"]}, schema=SCHEMA))
    return writer.receipt()


def test_a_part_its_folders_and_then_its_commit_are_synced(tmp_path: Path, synced: list[Path]) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    table = tmp_path / "verdicts"
    assert synced[-3:] == [table / "_delta_log", table, tmp_path], "the table itself could be lost"
    synced.clear()
    parts = write_part(tmp_path, 0)
    assert synced == [table / parts[0].path, table / DAY, table]
    assert log.commit(parts, "app", 0)
    assert synced[3:] == [table / "_delta_log" / f"{1:020d}.json", table / "_delta_log"]


def test_a_checkpoint_of_the_log_is_synced_with_the_commit_that_made_it(tmp_path: Path, synced: list[Path]) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    for batch_id in range(100):
        log.commit(write_part(tmp_path, batch_id), "app", batch_id)
    folder = tmp_path / "verdicts" / "_delta_log"
    made = {path for path in folder.iterdir() if path.suffix == ".parquet"}
    assert made, "no checkpoint was made: make more commits"
    assert made | {folder / "_last_checkpoint"} <= set(synced)
    assert {path for path in folder.iterdir() if path.suffix == ".json"} <= set(synced)


def test_a_commit_that_is_there_already_is_synced_too(tmp_path: Path, synced: list[Path]) -> None:
    """The driver that wrote it may have been killed before it had synced it."""
    parts = write_part(tmp_path, 0)
    DeltaLog(LAYOUT, str(tmp_path)).commit(parts, "app", 0)
    again = DeltaLog(LAYOUT, str(tmp_path))
    synced.clear()
    assert not again.commit(parts, "app", 0)
    assert tmp_path / "verdicts" / "_delta_log" / f"{1:020d}.json" in synced


def test_what_a_compaction_wrote_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    for batch_id in range(3):
        log.commit(write_part(tmp_path, batch_id), "app", batch_id)
    table = tmp_path / "verdicts"
    before = set((table / DAY).iterdir())
    synced.clear()
    assert compact(log.uri) == 3
    (large,) = set((table / DAY).iterdir()) - before
    assert [path.name for path in synced][:1] == [large.name]
    assert table / "_delta_log" / f"{4:020d}.json" in synced


def test_an_artefact_and_its_name_are_synced(tmp_path: Path, synced: list[Path]) -> None:
    bundle = read_served(PROJECT_ROOT / "research" / "models" / "attack_classifier")
    folder = tmp_path / Artefacts(tmp_path).put(bundle)
    names = [path.name for path in synced]
    assert {path.name for path in folder.iterdir()} <= set(names[:-2])
    assert synced[-1] == tmp_path, "the bundle's name is synced last"


def test_what_a_deletion_rewrote_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    writer = DeltaPartWriter(LAYOUT, str(tmp_path), 0)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    writer.write(pa.table({"event_id": [0, 1024], "recorded_at": [noon] * 2, "text": ["x"] * 2}, schema=SCHEMA))
    log.commit(writer.receipt(), "app", 0)
    table = tmp_path / "verdicts"
    before = set((table / DAY).iterdir())
    synced.clear()
    log.delete("event_id >= 1024")
    (rewritten,) = set((table / DAY).iterdir()) - before
    assert rewritten in synced, "a power cut loses rows that were not to be deleted"
    assert table / "_delta_log" / f"{2:020d}.json" in synced


def test_a_bundle_that_cannot_be_stored_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_served(PROJECT_ROOT / "research" / "models" / "attack_classifier")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            Artefacts(tmp_path).put(bundle)
    assert list(tmp_path.iterdir()) == []
    assert Artefacts(tmp_path).put(bundle) == bundle.hash


def test_a_name_that_cannot_be_synced_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_served(PROJECT_ROOT / "research" / "models" / "attack_classifier")
    real = os.fsync

    def fails_at_root(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fails_at_root)
    with pytest.raises(OSError, match="Input/output") as told:
        Artefacts(tmp_path).put(bundle)
    assert told.value.errno == errno.EIO
