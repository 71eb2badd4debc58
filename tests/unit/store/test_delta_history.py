"""What a commit costs does not grow with the age of a table: old versions go, and those who slept meanwhile read on."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from netheal.store.delta import CHECKPOINT_INTERVAL, DeltaLog, Layout, Part

LAYOUT = Layout("sample", pa.schema([("event_id", pa.int64())]))
COMMITS, AN_HOUR_S = 220, 3600.0
MOST_KEPT = CHECKPOINT_INTERVAL + 2
"""Versions from the last checkpoint on."""


def versions(root: Path) -> Iterator[Path]:
    return (root / "sample" / "_delta_log").glob("*.json")


def checkpoints(root: Path) -> Iterator[Path]:
    return (root / "sample" / "_delta_log").glob("*.checkpoint.parquet")


def commit_and_age(root: Path, log: DeltaLog, batch: int) -> None:
    """Commit a part, and let all that is there be an hour old."""
    part = Part(f"date=2024-12-01/{batch}.parquet", 1, "2024-12-01", 1, 0, {"event_id": batch}, {"event_id": batch})
    assert log.commit([part], "app", batch)
    before = time.time() - AN_HOUR_S
    for version in (*versions(root), *checkpoints(root)):
        os.utime(version, (before, before))


def test_versions_of_an_hour_ago_are_gone_and_a_reader_that_slept_reads_on(tmp_path: Path) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    commit_and_age(tmp_path, log, 0)
    reader, writer = DeltaTable(log.uri), DeltaLog(LAYOUT, str(tmp_path))
    for batch in range(1, COMMITS):
        commit_and_age(tmp_path, log, batch)
    assert len([*versions(tmp_path)]) <= MOST_KEPT and len([*checkpoints(tmp_path)]) <= 2
    reader.update_incremental()
    assert len(reader.file_uris()) == COMMITS and reader.transaction_version("app") == COMMITS - 1
    commit_and_age(tmp_path, writer, COMMITS)
    assert len(DeltaTable(log.uri).file_uris()) == COMMITS + 1


def test_a_batch_is_known_long_after_its_version_is_gone(tmp_path: Path) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    first = Part("date=2024-12-01/first.parquet", 1, "2024-12-01", 1, 0, {"event_id": -1}, {"event_id": -1})
    assert log.commit([first], "another stream", 7)
    for batch in range(2 * CHECKPOINT_INTERVAL):
        commit_and_age(tmp_path, log, batch)
    assert not (tmp_path / "sample" / "_delta_log" / f"{1:020d}.json").exists()
    assert DeltaLog(LAYOUT, str(tmp_path)).committed("another stream") == 7
    assert not log.commit([first], "another stream", 7)
