"""Parts that come to nothing leave the disk; parts that the log knows stay, whosever they are."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from netheal.sinks import delta_part
from netheal.sinks.delta_part import DeltaPartWriter, remove_uncommitted
from netheal.store.compaction import compact
from netheal.store.delta import DeltaLog, Layout, Part

SCHEMA = pa.schema([("event_id", pa.int64()), ("recorded_at", pa.timestamp("us", "UTC"))])
LAYOUT = Layout("verdicts", SCHEMA)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUERY = "48f86c55-4bce-4690-a02f-213e56bf6870"


def rows(days: int = 1) -> pa.Table:
    times = [NOON + timedelta(days=n) for n in range(days)]
    return pa.table({"event_id": list(range(days)), "recorded_at": times}, schema=SCHEMA)


def written(root: Path, batch_id: int, owner: str = QUERY, days: int = 1) -> list[Part]:
    writer = DeltaPartWriter(LAYOUT, str(root), batch_id, owner)
    writer.write(rows(days))
    return writer.receipt()


def on_disk(root: Path) -> set[str]:
    table = root / LAYOUT.name
    return {str(path.relative_to(table)) for path in table.rglob("date=*/*.parquet")}


def paths(*parts: list[Part]) -> set[str]:
    return {part.path for some in parts for part in some}


def test_a_full_disk_does_not_keep_what_is_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = DeltaPartWriter(LAYOUT, str(tmp_path), 1, QUERY)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer.write(rows(40))  # more days than files are open at once
    monkeypatch.setattr(delta_part._OpenPart, "close", full)
    with pytest.raises(OSError, match="No space"):
        writer.receipt()
    assert on_disk(tmp_path), "nothing was written that could be left behind"
    writer.discard()
    assert on_disk(tmp_path) == set()


def test_only_what_a_batch_left_behind_is_removed(tmp_path: Path) -> None:
    log = DeltaLog(LAYOUT, str(tmp_path))
    committed, left = written(tmp_path, 1), written(tmp_path, 2, days=3)
    log.commit(committed, "app", 1)
    others = written(tmp_path, 20), written(tmp_path, 2, "upload"), written(tmp_path, 2, f"{QUERY[:-1]}1")
    assert remove_uncommitted(log, QUERY, 2) == len(left) == 3
    assert on_disk(tmp_path) == paths(committed, *others)
    assert remove_uncommitted(log, QUERY, 2) == 0


def test_what_any_readable_version_refers_to_stays(tmp_path: Path) -> None:
    """A batch that is in the table already, and whose replay came to nothing, before and after a compaction."""
    log = DeltaLog(LAYOUT, str(tmp_path))
    committed = written(tmp_path, 1)
    log.commit(committed, "app", 1)
    written(tmp_path, 1)
    assert remove_uncommitted(log, QUERY, 1) == 1
    assert on_disk(tmp_path) == paths(committed)
    more = written(tmp_path, 2)
    log.commit(more, "app", 2)
    assert compact(log.uri) == 2
    written(tmp_path, 1)
    assert remove_uncommitted(log, QUERY, 1) == 1
    assert paths(committed, more) < on_disk(tmp_path), "a reader of the version before lost its file"
