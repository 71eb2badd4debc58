"""A task that fails takes its Delta parts away with it, and tells of its own error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.stages.partition_ranges import PartitionRange
from jobs.stages.range_reader import RangeReader
from jobs.stages.receipt import TaskReceipt, read_receipt
from jobs.stages.score_task import ScoreTask, SinkPlan, Sinks
from netheal.contracts.schema import RAW_SCHEMA
from netheal.errors import ModelFailure
from netheal.healing.policy import parse_policy, read_document
from netheal.settings import PROJECT_ROOT
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.traffic.generator import TrafficGenerator
from udfs.scoring_plan import ScoringPlan

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class NoSink:
    """Takes everything, and keeps nothing."""

    def write(self, *_: Any) -> None:
        pass

    def receipt(self) -> int:
        return 0


class FileSinks(Sinks):
    """The sinks of a task without Postgres and broker."""

    def __init__(self, plan: SinkPlan, batch_id: int) -> None:
        self.verdict_parts = DeltaPartWriter(verdicts_layout(), plan.delta_root, batch_id, plan.query_id)
        self.quarantine_parts = DeltaPartWriter(quarantine_layout(), plan.delta_root, batch_id, plan.query_id)
        self.serving_rows: Any = NoSink()
        self.messages: Any = NoSink()


@pytest.fixture
def task(tmp_path: Path) -> ScoreTask:
    """Without a model, so that every row is quarantined."""
    policy = read_document(PROJECT_ROOT / "conf" / "healing_policy.json")
    bundles: Any = None
    plan = ScoringPlan("flows", 0, 7, {}, bundles, parse_policy(policy).version, policy, NOON)
    return ScoreTask(plan, SinkPlan(str(tmp_path), "", "", {}, "out", "query"), Records(), FileSinks)


@dataclass(frozen=True)
class Records(RangeReader):
    """A batch of rows, and then what a task meets that fails or is cut."""

    topic: str = "flows"
    topic_id: str = "id"
    bootstrap_servers: str = ""
    kafka_options: dict[str, str] = field(default_factory=dict)
    failure: BaseException | None = None

    def read(self, ranges: Sequence[PartitionRange]) -> Iterator[pa.RecordBatch]:
        ((partition, start, end),) = ranges
        rows = end - start
        values = TrafficGenerator(3).messages(rows)
        columns = [[partition] * rows, list(range(start, end)), [NOON] * rows, [None] * rows, values]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
        if self.failure is not None:
            raise self.failure


def receipt_of(task: ScoreTask, failure: BaseException | None = None) -> TaskReceipt:
    (told,) = replace(task, reader=Records(failure=failure))([[PartitionRange(0, 0, 20)]])
    return read_receipt(told)


def parts(root: Path) -> set[str]:
    return {str(path.relative_to(root / "quarantine")) for path in root.rglob("*.parquet")}


def test_a_task_that_succeeds_leaves_the_parts_it_tells_of(task: ScoreTask, tmp_path: Path) -> None:
    receipt = receipt_of(task)
    assert receipt.rejected == 20
    assert parts(tmp_path) == {part.path for part in receipt.quarantine_parts} != set()


@pytest.mark.parametrize("failure", [ValueError("it broke"), KeyboardInterrupt()])
def test_a_task_that_fails_leaves_none(task: ScoreTask, tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)) as told:
        receipt_of(task, failure)
    assert told.value is failure
    assert parts(tmp_path) == set()


def test_a_task_whose_model_fails_leaves_none(task: ScoreTask, tmp_path: Path) -> None:
    receipt = receipt_of(task, ModelFailure("no such shape", "abc"))
    assert receipt.failure == ("no such shape", "abc")
    assert parts(tmp_path) == set()
