"""How many tasks a batch is split into."""

from typing import Any

import pytest

from jobs.stages.score_task import SinkPlan
from jobs.stages.scoring import Scoring
from tests.stack.failpoint_job import PARTS
from tests.stack.test_crashes import BATCH_ROWS


def scoring(make: Any, tasks: int) -> Scoring:
    plan = SinkPlan("", "", "", {}, "out", "query")
    made = make(
        spark=None, connection=None, ledger=None, artefacts=None, sink_plan=plan, logs=[], offset_base=0, tasks=tasks
    )
    assert isinstance(made, Scoring)
    return made


@pytest.mark.parametrize(("rows", "tasks"), [(0, 1), (4_999, 1), (10_000, 2), (14_999, 2), (1_000_000, 4)])
def test_a_batch_has_no_more_tasks_than_are_worth_their_cost(rows: int, tasks: int) -> None:
    assert scoring(Scoring, 4).tasks_for(rows) == tasks


def test_the_small_batches_of_crash_tests_have_several_tasks_all_the_same() -> None:
    assert scoring(PARTS.scoring, 2).tasks_for(BATCH_ROWS) == 2
