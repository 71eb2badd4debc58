"""A micro-batch that fails on each attempt is told of, is tried on, and never keeps the job from stopping."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from jobs.stages.batch_attempt import TRIES_BEFORE_ALARM
from jobs.stages.shutdown import CUT_STATUS
from netheal.store.database import connect
from netheal.store.stream_state import StreamState, read_state
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import STOP_S
from tests.stack.exactly_once import assert_exactly_once, assert_no_part_left_over
from tests.stack.harness import World, eventually

pytestmark = pytest.mark.stack

FAILING_JOB = (sys.executable, "-m", "tests.stack.failing_job")
BATCH_ROWS = 100
FAILURE = "ValueError: no sink takes\ufffdthis"


def state_of(world: World) -> StreamState | None:
    connection = connect(world.dsn)
    try:
        return read_state(connection, world.settings.stream.input_topic)
    except psycopg2.errors.UndefinedTable:
        return None
    finally:
        connection.close()


def wait_attempts(world: World, number: int) -> StreamState:
    """The state once the job tells of so many attempts; from the first failure it has never said that it runs."""
    failed: list[StreamState] = []

    def look() -> Any:
        assert world.jobs[-1].process.poll() is None, world.jobs[-1].tail()
        state = state_of(world)
        if state is not None and state.details:
            failed.append(state)
        assert not failed or (state is not None and state.state == "retrying"), "it hid a failing batch"
        return bool(failed) and failed[-1].details["attempts"] >= number

    eventually(look, f"{number} attempts are told of")
    return failed[-1]


@pytest.mark.slow
def test_a_batch_that_fails_on_each_attempt(make_world: Callable[..., World], var_folder: Path) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    switch = var_folder / "failing"
    switch.write_text("fail 1")
    world.send(TrafficGenerator(31, broken_share=0).messages(3 * BATCH_ROWS))

    job = world.start(FAILING_JOB, FAILING=str(switch))
    state = wait_attempts(world, TRIES_BEFORE_ALARM)
    ((starts, ends),) = world.ask("select start_offsets, end_offsets from batches where batch_id = 1")
    ranges = [{"partition": int(p), "start": starts[p], "end": ends[p]} for p in sorted(ends)]
    assert (state.details["batch_id"], state.details["offsets"]) == (1, ranges)
    first = ranges[0]
    assert state.reason.startswith(f"Micro-batch 1 (partition 0, offsets {first['start']} to {first['end'] - 1}; ")
    assert f"failed {state.details['attempts']} times: {FAILURE}. " in state.reason
    assert world.done_rows() == BATCH_ROWS
    world.stop(job)
    stopped = state_of(world)
    assert stopped is not None and stopped.state == "stopped"
    ((attempts, failure),) = world.ask("select attempts, failure from batches where batch_id = 1")
    assert attempts >= TRIES_BEFORE_ALARM and failure == FAILURE

    switch.write_text("hang 1")
    job = world.start(FAILING_JOB, FAILING=str(switch))
    state = wait_attempts(world, attempts)
    assert f"failed {attempts} times: {FAILURE}. " in state.reason, "it does not say at once what failed before"
    job.terminate()
    # Which of the two depends on how long the machine takes to cut the query.
    assert job.wait_exit(STOP_S) in (0, CUT_STATUS), "a task that hangs keeps the job from stopping"
    told = world.ask("select attempts, failure from batches where batch_id = 1")
    assert told == [(attempts, FAILURE)], "a stop is no failure"

    switch.unlink()
    job = world.start(FAILING_JOB, FAILING=str(switch))
    world.wait_done(3 * BATCH_ROWS)
    eventually(lambda: (state_of(world) or stopped).state == "running", "it runs again")
    world.stop(job)
    assert_exactly_once(world)
    assert_no_part_left_over(world)
