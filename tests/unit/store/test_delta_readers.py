"""What is in a Delta table is found as well once its log has a checkpoint, which carries statistics in another form."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.archive import Archive, BatchRows
from netheal.store.compaction import compact
from netheal.store.delta import DeltaLog, Layout

SCHEMA = pa.schema(
    [
        ("event_id", pa.int64()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("topic", pa.string()),
        ("batch_id", pa.int64()),
    ]
)
LAYOUT = Layout("verdicts", SCHEMA)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BATCHES = 105
UPLOAD = 5 * 1024 + 1023


def commit(log: DeltaLog, root: Path, batch_id: int, events: list[int], topic: str = "in") -> None:
    writer = DeltaPartWriter(LAYOUT, str(root), batch_id)
    columns = {"event_id": events, "recorded_at": [NOON] * len(events)}
    own = {"topic": [topic] * len(events), "batch_id": [batch_id] * len(events)}
    writer.write(pa.table(columns | own, schema=SCHEMA))
    log.commit(writer.receipt(), topic, batch_id)


def as_it_is(_uri: str) -> None:
    pass


@pytest.fixture(params=[as_it_is, compact], ids=["many parts", "compacted"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A row a batch, and two of an upload, in a log with a checkpoint."""
    log = DeltaLog(LAYOUT, str(tmp_path))
    commit(log, tmp_path, 7, [UPLOAD, UPLOAD + 1024], "upload")
    for batch_id in range(BATCHES):
        commit(log, tmp_path, batch_id, [batch_id * 1024])
    assert list(Path(log.uri).glob("_delta_log/*.checkpoint.parquet")), "there is no checkpoint: make more commits"
    prepare: Callable[[str], object] = request.param
    prepare(log.uri)
    return tmp_path


def test_every_reader_finds_what_is_there(root: Path) -> None:
    log, archive = DeltaLog(LAYOUT, str(root)), Archive(LAYOUT, str(root))
    assert log.holds_rows_from({"0": BATCHES - 1}, 0)
    assert not log.holds_rows_from({"0": BATCHES}, 0)
    found = log.rows_between({"0": 10}, {"0": 20}, 0)
    assert sorted(found["batch_id"].to_pylist()) == list(range(10, 20))
    for event in (0, 50 * 1024, UPLOAD):
        for day in (None, date(2026, 11, 22)):
            row = archive.find(event, day)
            assert row is not None and row["event_id"] == event


def test_the_rows_of_an_upload_come_page_by_page(root: Path) -> None:
    archive, upload = Archive(LAYOUT, str(root)), BatchRows("upload", 7, NOON)
    pages = [archive.of_batch(upload, after, 1)["event_id"].to_pylist() for after in (0, UPLOAD, UPLOAD + 1024)]
    assert pages == [[UPLOAD], [UPLOAD + 1024], []]
    assert archive.of_batch(upload, 0, 10)["event_id"].to_pylist() == [UPLOAD, UPLOAD + 1024]
    assert archive.of_batch(upload, 0, 10).schema == LAYOUT.schema
    for other in (BatchRows("upload", 8, NOON), BatchRows("upload", 7, NOON + timedelta(days=1))):
        assert archive.of_batch(other, 0, 10).num_rows == 0
    assert Archive(LAYOUT, f"{root}/none").of_batch(upload, 0, 10).num_rows == 0


def test_rows_of_an_upload_are_taken_back_by_columns_without_statistics(root: Path) -> None:
    log = DeltaLog(LAYOUT, str(root))
    log.delete("date = '2026-11-22' and topic = 'upload' and batch_id = 7")
    archive = Archive(LAYOUT, str(root))
    assert archive.find(UPLOAD) is None and archive.find(7 * 1024) is not None
    log.delete_rows_from({"0": 50}, 0)
    assert not log.holds_rows_from({"0": 50}, 0) and log.holds_rows_from({"0": 49}, 0)
