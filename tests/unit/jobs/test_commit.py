"""A replay commits what an earlier attempt had not, and leaves no part of what it had."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from jobs.stages.micro_batch import MicroBatch
from jobs.stages.receipt import TaskReceipt
from jobs.stages.score_task import SinkPlan
from jobs.stages.scoring import Scoring
from netheal.drift.window import WindowRules
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import DeltaLog, Layout, Part

SCHEMA = pa.schema([("event_id", pa.int64()), ("recorded_at", pa.timestamp("us", "UTC"))])
LAYOUTS = Layout("verdicts", SCHEMA), Layout("quarantine", SCHEMA)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def written(root: Path, retried: bool = False) -> TaskReceipt:
    def part(layout: Layout) -> list[Part]:
        writer = DeltaPartWriter(layout, str(root), 4, "query")
        writer.write(pa.table({"event_id": [1], "recorded_at": [NOON]}, schema=SCHEMA))
        return writer.receipt()

    return TaskReceipt(1, 1, 1, part(LAYOUTS[0]), part(LAYOUTS[1]), [], retried=retried)


def batch_of(root: Path) -> MicroBatch:
    logs = DeltaLog(LAYOUTS[0], str(root)), DeltaLog(LAYOUTS[1], str(root))
    none: Any = None
    scoring = Scoring(none, none, none, none, SinkPlan(str(root), "", "", {}, "out", "query"), logs, 0, 1)
    return MicroBatch(none, none, none, scoring, *logs, none, none, "in", "id", "app", WindowRules(), none)


def assert_one_row_and_no_part_beside(batch: MicroBatch) -> None:
    for log in (batch.verdicts, batch.quarantine):
        table = DeltaTable(log.uri)
        assert table.to_pyarrow_table().num_rows == 1
        assert {str(path) for path in Path(log.uri).glob("date=*/*")} == set(table.file_uris())


def test_a_driver_that_was_killed_between_the_two_commits(tmp_path: Path) -> None:
    batch = batch_of(tmp_path)
    first = written(tmp_path)
    batch.verdicts.commit(first.verdict_parts, "app", 4)
    batch.scoring.remove_leftovers(4)
    batch.commit([written(tmp_path)], 4)
    assert_one_row_and_no_part_beside(batch)


def test_a_task_that_was_lost_with_its_executor(tmp_path: Path) -> None:
    batch = batch_of(tmp_path)
    written(tmp_path)
    batch.commit([written(tmp_path, retried=True)], 4)
    assert_one_row_and_no_part_beside(batch)
