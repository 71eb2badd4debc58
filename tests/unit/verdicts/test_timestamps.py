"""A record's own time is input like any other: what no sink can hold is quarantined, under the time of its reading."""

import resource
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from netheal.contracts.schema import RAW_SCHEMA, TIMESTAMP
from netheal.records.timestamps import EARLIEST, END
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import DeltaLog, quarantine_layout, verdicts_layout
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.counts import count_rows
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.record_scorer import RecordScorer
from tests.unit.verdicts.conftest import READ_AT

MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]
US = timedelta(microseconds=1)
MS_2024 = 1_733_063_422_123


def at_times(records: pa.RecordBatch, microseconds: Sequence[int | None]) -> pa.RecordBatch:
    place = RAW_SCHEMA.get_field_index("timestamp")
    return records.set_column(place, RAW_SCHEMA.field(place), pa.array(microseconds, pa.int64()).cast(TIMESTAMP))


def us(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // US


BAD = {
    "none": (-1_000, "the record has no timestamp (-1)"),
    "null": (None, ""),
    "microseconds for milliseconds": (MS_2024 * 1_000 * 1_000, f"{MS_2024 * 1_000} ms since 1970 is not in"),
    "the longest": (2**63 - 1, "9223372036854775 ms since 1970 is not in"),
    "the most negative": (-(2**63) + 1, "-9223372036854776 ms since 1970 is not in"),
    "just before the first": (us(EARLIEST - US), ""),
    "the first beyond": (us(END), ""),
    "the year 10000": (us(datetime(9999, 12, 31, tzinfo=UTC)) + 86_400_000_000, ""),
}
GOOD = {"the first": us(EARLIEST), "the last": us(END - US), "seconds for milliseconds": MS_2024 // 1_000 * 1_000}


@pytest.mark.parametrize(("time", "detail"), BAD.values(), ids=BAD.keys())
def test_a_time_that_not_every_sink_holds_is_quarantined(
    scorer: RecordScorer, make_records: MakeRecords, time: int | None, detail: str
) -> None:
    sound = at_times(make_records(TrafficGenerator(1, broken_share=0).messages(3)), [MS_2024 * 1_000] * 3)
    times: list[int | None] = [MS_2024 * 1_000, time, MS_2024 * 1_000]
    scored = scorer.score(at_times(sound, times), 3)
    (row,) = scored.rejected.to_pylist()
    assert (row["reason"], row["field"], row["recorded_at"]) == ("bad_timestamp", "timestamp", READ_AT)
    assert row["detail"].startswith(detail) and len(row["detail"]) < 100
    record = sound.slice(1, 1).to_pylist()[0]
    assert [row[name] for name in ("partition", "offset", "key", "value")] == [
        record[name] for name in ("partition", "offset", "key", "value")
    ]
    neighbours = scorer.score(sound.take(pa.array([0, 2])), 3)
    assert encode_verdicts(scored.verdicts) == encode_verdicts(neighbours.verdicts)


@pytest.mark.parametrize("time", GOOD.values(), ids=GOOD.keys())
def test_a_time_of_any_other_day_is_kept(scorer: RecordScorer, make_records: MakeRecords, time: int) -> None:
    records = at_times(make_records(TrafficGenerator(1, broken_share=0).messages(1)), [time])
    scored = scorer.score(records, 3)
    assert scored.rejected.num_rows == 0
    assert scored.verdicts["recorded_at"].cast(pa.int64()).to_pylist() == [time]


def test_a_message_that_is_broken_as_well_is_rejected_once(scorer: RecordScorer, make_records: MakeRecords) -> None:
    records = at_times(make_records([b"", None, b"{}"]), [-1_000, 2**60, MS_2024 * 1_000])
    scored = scorer.score(records, 3)
    assert sorted(scored.rejected["reason"].to_pylist()) == ["bad_timestamp", "bad_timestamp", "no_contract"]
    assert sum(count_rows(scored.verdicts, scored.rejected).values()) == 3


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open a hundred files more than it has open now, for the length of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_a_task_may_take_rows_of_more_days_than_files_may_be_open(
    scorer: RecordScorer, make_records: MakeRecords, tmp_path: Path
) -> None:
    rows = 400
    rng = np.random.default_rng(3)
    records = make_records(TrafficGenerator(4, broken_share=0.2).messages(rows))
    records = at_times(records, [int(t) for t in rng.integers(us(EARLIEST), us(END), rows)])
    layouts = verdicts_layout(), quarantine_layout()
    writers = [DeltaPartWriter(layout, str(tmp_path), 7) for layout in layouts]
    for start in range(0, rows, 100):
        scored = scorer.score(records.slice(start, 100), 7)
        writers[0].write(scored.verdicts)
        writers[1].write(scored.rejected)
    stored = []
    for layout, writer in zip(layouts, writers, strict=True):
        parts = writer.receipt()
        assert all(part.lowest["recorded_at"][:10] == part.date == part.highest["recorded_at"][:10] for part in parts)
        DeltaLog(layout, str(tmp_path)).commit(parts, "app", 7)
        stored.append(DeltaTable(layout.uri(str(tmp_path))).to_pyarrow_table())
    offsets = [(row["partition"], row["offset"]) for table in stored for row in table.to_pylist()]
    assert sorted(offsets) == sorted((row["partition"], row["offset"]) for row in records.to_pylist())
    assert all(row["date"] == row["recorded_at"].date() for table in stored for row in table.to_pylist())


def test_what_is_discarded_leaves_no_file(scorer: RecordScorer, make_records: MakeRecords, tmp_path: Path) -> None:
    rows = 60
    records = make_records(TrafficGenerator(4, broken_share=0).messages(rows))
    records = at_times(records, [us(EARLIEST) + at * 86_400_000_000 for at in range(rows)])
    writer = DeltaPartWriter(verdicts_layout(), str(tmp_path), 7)
    writer.write(scorer.score(records, 7).verdicts)
    assert len(writer.receipt()) == rows
    writer.discard()
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_file_takes_tables_of_rows_for_different_models(
    scorer: RecordScorer, make_records: MakeRecords, tmp_path: Path
) -> None:
    messages = TrafficGenerator(9, broken_share=0).messages(600)
    of_attack = [m for m in messages if b" Flow Duration" in m and b"same_srv_rate" not in m]
    of_threat = [m for m in messages if b" Flow Duration" not in m and b"same_srv_rate" in m]
    assert of_attack and of_threat
    tables = [scorer.score(make_records(part), 7).verdicts for part in (of_attack, of_threat, [b""], messages)]
    assert len({table.schema.to_string() for table in tables}) == 1
    writer = DeltaPartWriter(verdicts_layout(), str(tmp_path), 7)
    for table in tables:
        writer.write(table)
    assert [part.rows for part in writer.receipt()] == [len(of_attack) + len(of_threat) + len(messages)]
