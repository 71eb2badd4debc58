"""A micro-batch is visible in Delta once, however often its commit is tried."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from netheal.contracts.schema import RAW_SCHEMA, rejected_schema, verdict_schema
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.archive import Archive
from netheal.store.delta import DeltaLog, Layout, Part, quarantine_layout, verdicts_layout

LAYOUT = Layout("sample", pa.schema([("event_id", pa.int64()), ("word", pa.string())]))

NOVELTY = ("threat_novelty", "threat_is_novel", "attack_novelty", "attack_is_novel")


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    return DeltaLog(LAYOUT, str(tmp_path))


def part(root: Path, name: str, ids: list[int]) -> Part:
    """A Parquet file that nobody sees yet."""
    folder = root / "sample" / "date=2024-12-01"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"event_id": ids, "word": ["a"] * len(ids)}), folder / name)
    size = (folder / name).stat().st_size
    bounds = {"event_id": min(ids)}, {"event_id": max(ids)}
    return Part(f"date=2024-12-01/{name}", size, "2024-12-01", len(ids), int(time.time() * 1000), *bounds)


def seen(root: Path) -> list[int]:
    return sorted(DeltaTable(str(root / "sample")).to_pyarrow_table()["event_id"].to_pylist())


def test_parts_are_seen_after_their_commit_and_not_before(log: DeltaLog, tmp_path: Path) -> None:
    parts = [part(tmp_path, "a.parquet", [1, 2]), part(tmp_path, "b.parquet", [3])]
    assert seen(tmp_path) == []
    assert log.commit(parts, "app", 0)
    assert seen(tmp_path) == [1, 2, 3]


def test_a_batch_is_committed_once(log: DeltaLog, tmp_path: Path) -> None:
    """The replay wrote parts of its own, which stay unseen."""
    assert log.commit([part(tmp_path, "first.parquet", [1])], "app", 0)
    assert not log.commit([part(tmp_path, "again.parquet", [1])], "app", 0)
    assert seen(tmp_path) == [1]
    assert log.committed("app") == 0


def test_a_driver_that_starts_anew_knows_what_was_committed(log: DeltaLog, tmp_path: Path) -> None:
    log.commit([part(tmp_path, "a.parquet", [1])], "app", 0)
    log.commit([part(tmp_path, "b.parquet", [2])], "app", 1)
    fresh = DeltaLog(LAYOUT, str(tmp_path))
    assert fresh.committed("app") == 1
    assert not fresh.commit([part(tmp_path, "c.parquet", [2])], "app", 1)
    assert fresh.commit([part(tmp_path, "d.parquet", [3])], "app", 2)
    assert seen(tmp_path) == [1, 2, 3]


def test_a_batch_that_another_driver_committed_meanwhile_is_not_committed_again(log: DeltaLog, tmp_path: Path) -> None:
    slow = DeltaLog(LAYOUT, str(tmp_path))
    assert log.commit([part(tmp_path, "a.parquet", [1])], "app", 0)
    assert not slow.commit([part(tmp_path, "again.parquet", [1])], "app", 0)
    assert slow.commit([part(tmp_path, "b.parquet", [2])], "app", 1)
    assert seen(tmp_path) == [1, 2]


def test_streams_do_not_stand_in_each_others_way(log: DeltaLog, tmp_path: Path) -> None:
    other = DeltaLog(LAYOUT, str(tmp_path))
    assert log.commit([part(tmp_path, "a.parquet", [1])], "one", 0)
    assert other.commit([part(tmp_path, "b.parquet", [2])], "other", 0)
    assert log.commit([part(tmp_path, "c.parquet", [3])], "one", 1)
    assert (log.committed("one"), log.committed("other"), log.committed("third")) == (1, 0, None)
    assert seen(tmp_path) == [1, 2, 3]


def test_an_empty_batch_writes_no_version(log: DeltaLog, tmp_path: Path) -> None:
    before = DeltaTable(str(tmp_path / "sample")).version()
    assert not log.commit([], "app", 0)
    assert DeltaTable(str(tmp_path / "sample")).version() == before


def test_an_older_table_gets_the_columns_it_lacks(log: DeltaLog, tmp_path: Path) -> None:
    log.commit([part(tmp_path, "a.parquet", [1])], "app", 0)
    wider = Layout("sample", LAYOUT.schema.append(pa.field("fresh", pa.float64())))
    DeltaLog(wider, str(tmp_path))
    table = DeltaTable(str(tmp_path / "sample")).to_pyarrow_table()
    assert table["fresh"].to_pylist() == [None] and table["event_id"].to_pylist() == [1]


def test_verdicts_go_on_in_a_table_of_the_version_before_novelty(tmp_path: Path) -> None:
    """What is there keeps null, new rows have theirs, and both are found by id."""
    now = datetime(2024, 12, 1, 12, tzinfo=UTC)
    schema = verdict_schema()
    for name in NOVELTY:
        schema = schema.remove(schema.get_field_index(name))
    older = Layout("verdicts", schema)
    for number, layout in enumerate((older, verdicts_layout())):
        row = {"event_id": number, "recorded_at": now, "attack_confidence": 0.9} | dict.fromkeys(NOVELTY)
        if layout is not older:
            row |= {"attack_novelty": 0.75, "attack_is_novel": True}
        log, writer = DeltaLog(layout, str(tmp_path)), DeltaPartWriter(layout, str(tmp_path), number)
        writer.write(pa.Table.from_pylist([row], layout.schema))
        assert log.commit(writer.receipt(), "app", number)
    table = DeltaTable(older.uri(str(tmp_path))).to_pyarrow_table().sort_by("event_id")
    assert table["attack_novelty"].to_pylist() == [None, 0.75]
    assert table["attack_is_novel"].to_pylist() == [None, True]
    archive = Archive(verdicts_layout(), str(tmp_path))
    found = [archive.find(number) for number in (0, 1)]
    assert [row and (row["attack_novelty"], row["attack_confidence"]) for row in found] == [(None, 0.9), (0.75, 0.9)]


@pytest.mark.parametrize("layout", [verdicts_layout(), quarantine_layout()], ids=lambda layout: layout.name)
def test_the_shipped_tables_can_be_made(layout: Layout, tmp_path: Path) -> None:
    DeltaLog(layout, str(tmp_path))
    table = DeltaTable(layout.uri(str(tmp_path)))
    assert [field.name for field in table.schema().fields] == layout.stored.names
    assert table.metadata().partition_columns == ["date"]


def test_stored_columns_have_names_that_every_reader_takes() -> None:
    for schema in (verdict_schema(), rejected_schema(), RAW_SCHEMA):
        assert len(set(schema.names)) == len(schema.names)
        assert all(name.isidentifier() and name == name.lower() for name in schema.names)
