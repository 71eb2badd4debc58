"""Compaction changes no row, and stands in no commit's way."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from jobs.stages import maintenance
from jobs.stages.maintenance import PARTS_WORTH_A_COMPACTION, Maintenance
from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.store.compaction import KEPT_HOURS, compact, start_compaction, vacuum
from netheal.store.delta import PROPERTIES, DeltaLog, Layout, Part

LAYOUT = Layout("sample", pa.schema([("event_id", pa.int64()), ("at", pa.timestamp("us", "UTC"))]))


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    return DeltaLog(LAYOUT, str(tmp_path))


def part(log: DeltaLog, number: int) -> Part:
    """A file of one row."""
    path = Path(log.uri) / "date=2024-12-01" / f"{number}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"event_id": [number], "at": [number]}, LAYOUT.schema), path)
    bounds = {"event_id": number}, {"event_id": number}
    return Part(
        f"{path.parent.name}/{path.name}", path.stat().st_size, "2024-12-01", 1, int(time.time() * 1000), *bounds
    )


def table_of(log: DeltaLog) -> pa.Table:
    return DeltaTable(log.uri).to_pyarrow_table().sort_by("event_id")


def test_every_row_is_there_afterwards_in_fewer_parts(log: DeltaLog) -> None:
    for number in range(20):
        log.commit([part(log, number)], "app", number)
    before = table_of(log)
    assert compact(log.uri) == 20
    assert table_of(log).equals(before)
    assert len(DeltaTable(log.uri).file_uris()) == 1


def test_the_log_goes_on_and_remembers_what_was_committed(log: DeltaLog) -> None:
    for number in range(3):
        log.commit([part(log, number)], "app", number)
    compact(log.uri)
    assert not log.commit([part(log, 99)], "app", 2)
    assert log.commit([part(log, 3)], "app", 3)
    assert table_of(log)["event_id"].to_pylist() == [0, 1, 2, 3]


def test_appends_and_compactions_at_once_lose_nothing(log: DeltaLog) -> None:
    done = threading.Event()

    def compact_until_done() -> None:
        while not done.is_set():
            compact(log.uri)

    compacting = threading.Thread(target=compact_until_done)
    compacting.start()
    try:
        for number in range(60):
            assert log.commit([part(log, number)], "app", number)
    finally:
        done.set()
        compacting.join()
    assert table_of(log)["event_id"].to_pylist() == list(range(60))


def test_appends_and_deletions_of_other_days_at_once_lose_nothing(log: DeltaLog, tmp_path: Path) -> None:
    done = threading.Event()
    deleted: list[int] = []

    def delete_until_done() -> None:
        old = DeltaLog(LAYOUT, str(tmp_path))
        while not done.is_set():
            number = 1_000 + len(deleted)
            path = Path(log.uri) / "date=2024-11-30" / f"{number}.parquet"
            path.parent.mkdir(exist_ok=True)
            one = part(log, number)
            (Path(log.uri) / one.path).rename(path)
            assert old.commit(
                [msgspec.structs.replace(one, path=f"date=2024-11-30/{path.name}", date="2024-11-30")], "old", number
            )
            old.delete("date < '2024-12-01'")
            deleted.append(number)

    deleting = threading.Thread(target=delete_until_done)
    deleting.start()
    try:
        for number in range(40):
            assert log.commit([part(log, number)], "app", number)
    finally:
        done.set()
        deleting.join()
    assert deleted
    assert table_of(log)["event_id"].to_pylist() == list(range(40))


def age(log: DeltaLog, *numbers: int) -> None:
    """Let parts be older than what is kept."""
    long_ago = time.time() - 3600 * (KEPT_HOURS + 1)
    for number in numbers:
        os.utime(Path(log.uri) / "date=2024-12-01" / f"{number}.parquet", (long_ago, long_ago))


def test_replaced_parts_that_the_log_has_forgotten_go_and_parts_not_yet_committed_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PROPERTIES, "delta.deletedFileRetentionDuration", "interval 0 seconds")
    log = DeltaLog(LAYOUT, str(tmp_path))
    for number in range(4):
        log.commit([part(log, number)], "app", number)
    waiting = part(log, 4)
    compact(log.uri)
    age(log, 0, 1, 2)
    DeltaTable(log.uri).create_checkpoint()
    assert vacuum(log.uri) == [f"date=2024-12-01/{number}.parquet" for number in range(3)]
    files = {path.name for path in (Path(log.uri) / "date=2024-12-01").iterdir()}
    assert files.isdisjoint({"0.parquet", "1.parquet", "2.parquet"}) and "3.parquet" in files
    assert log.commit([waiting], "app", 4)
    assert table_of(log)["event_id"].to_pylist() == [0, 1, 2, 3, 4]


def test_parts_that_were_replaced_just_now_stay_however_old_they_are(log: DeltaLog) -> None:
    for number in range(3):
        log.commit([part(log, number)], "app", number)
    age(log, 0, 1, 2)
    reader = DeltaTable(log.uri).to_pyarrow_dataset()
    compact(log.uri)
    assert vacuum(log.uri) == []
    assert reader.count_rows() == 3


def test_parts_that_nobody_ever_committed_go_after_a_day_but_those_of_open_batches(log: DeltaLog) -> None:
    log.commit([part(log, 0)], "app", 0)
    folder = Path(log.uri) / "date=2024-12-01"
    part(log, 1), part(log, 2), part(log, 3)
    age(log, 0, 1, 3)
    assert vacuum(log.uri, ["3."]) == ["date=2024-12-01/1.parquet"]
    assert {path.name for path in folder.iterdir()} == {"0.parquet", "2.parquet", "3.parquet"}


def test_an_older_table_gets_todays_properties(tmp_path: Path) -> None:
    uri = str(tmp_path / "sample")
    DeltaTable.create(uri, LAYOUT.stored, partition_by=["date"], configuration={"delta.checkpointInterval": "7"})
    DeltaLog(LAYOUT, str(tmp_path))
    assert DeltaTable(uri).metadata().configuration == PROPERTIES


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[Maintenance, DeltaLog], None]:
    """A look whose time has come."""
    monkeypatch.setattr(maintenance, "maintain_partitions", Mock())
    monkeypatch.setattr(maintenance, "register_topic", Mock())
    monkeypatch.setattr(maintenance, "open_prefixes", Mock(return_value=["q-0000000007-"]))
    monkeypatch.setattr(maintenance, "_POLL_INTERVAL_S", 0.0)
    return lambda supervisor, log: supervisor.run_if_due([log])


def test_a_stream_compacts_when_enough_parts_came(
    log: DeltaLog, look: Callable[[Maintenance, DeltaLog], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def watched(uri: str, spared: list[str]) -> subprocess.Popen[bytes]:
        started.append(start_compaction(uri, spared))
        return started[-1]

    monkeypatch.setattr(maintenance, "start_compaction", watched)
    supervisor = Maintenance(Mock(), "topic", str, 7)
    for number in range(3):
        log.commit([part(log, number)], "app", number)
    look(supervisor, log)
    assert not started
    log.parts = PARTS_WORTH_A_COMPACTION
    look(supervisor, log)
    assert started[0].wait(60) == 0
    look(supervisor, log)
    assert len(started) == 1
    assert len(DeltaTable(log.uri).file_uris()) == 1
    supervisor.stop()


def test_an_idle_stream_is_maintained_and_bears_services_that_are_away(
    log: DeltaLog, look: Callable[[Maintenance, DeltaLog], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions = Mock(side_effect=[ServiceUnavailable("Postgres went away"), None, StreamRefused("made again")])
    monkeypatch.setattr(maintenance, "maintain_partitions", partitions)
    supervisor = Maintenance(Mock(), "topic", str, 7)
    supervisor.run_if_idle([log])
    supervisor.run_if_idle([log])
    with pytest.raises(StreamRefused):
        supervisor.run_if_idle([log])
    monkeypatch.setattr(maintenance, "_POLL_INTERVAL_S", 60.0)
    monkeypatch.setattr(maintenance, "maintain_partitions", Mock())
    supervisor.run_if_idle([log])
    monkeypatch.setattr(maintenance, "maintain_partitions", Mock(side_effect=AssertionError("not due")))
    supervisor.run_if_idle([log])
    supervisor.run_if_due([log])
