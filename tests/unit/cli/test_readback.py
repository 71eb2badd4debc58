"""Which events belong to a run, and figures over none of them."""

import numpy as np
import pytest

from netheal.cli.readback import Run, rejected_reasons, verdict_ids
from netheal.cli.report import _percentiles
from netheal.settings import Settings


@pytest.mark.parametrize("offset_base", [0, 5_000])
def test_a_run_is_about_the_events_at_or_after_its_start(offset_base: int) -> None:
    run = Run(start={"0": 10, "2": 3}, output_start={}, offset_base=offset_base)
    offsets, partitions = np.array([9, 10, 0, 2, 3, 11]), np.array([0, 0, 1, 2, 2, 0])
    ids = (offsets + offset_base) * 1024 + partitions
    assert run.of_run(ids).tolist() == [False, True, True, False, True, True]


def test_a_run_that_starts_with_an_empty_topic_has_every_event() -> None:
    run = Run(start={}, output_start={})
    assert run.of_run(np.array([0, 1024, 5 * 1024])).all()
    assert run.of_run(np.array([], dtype=np.int64)).tolist() == []


def test_latencies_of_no_message_are_unknown() -> None:
    assert _percentiles(np.array([])) == {"p50": None, "p95": None, "p99": None}
    assert _percentiles(np.arange(101.0)) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def test_a_job_that_was_stopped_before_its_first_batch_has_no_verdicts(settings: Settings) -> None:
    assert len(verdict_ids(settings, Run({"0": 0}, {"0": 0}))) == 0
    assert rejected_reasons(settings, Run({"0": 0}, {"0": 0})) == []


def test_rows_of_uploads_are_of_no_run() -> None:
    ids = np.array([5 * 1024, 7 * 1024 + 1023, 6 * 1024 + 1])
    assert Run({"0": 5, "1": 5}, {}).of_run(ids).tolist() == [True, False, True]
