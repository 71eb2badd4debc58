"""One stream, one topic, one driver: whatever would mix rows is refused, and the way out works."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from netheal.cli.status import StatusReader
from netheal.settings import PROJECT_ROOT
from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import assert_exactly_once, assert_nothing_twice, events_of
from tests.stack.failpoint_job import REMADE_ROWS, TOPIC_REMADE
from tests.stack.harness import NETHEAL, World

pytestmark = pytest.mark.stack

ADOPT = (*NETHEAL, "topic", "adopt")


def generated(rows: int, seed: int) -> list[bytes]:
    return TrafficGenerator(seed, start=datetime(2025, 1, seed, tzinfo=UTC)).messages(rows)


def lag(world: World) -> int:
    reader = StatusReader(world.settings)
    try:
        return reader.lag()
    finally:
        reader.close()


@pytest.mark.slow
def test_a_topic_made_again_is_refused_until_it_is_adopted(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.send(generated(700, 1))
    job = world.start()
    world.wait_done(700)
    world.stop(job)
    first = events_of(world.records())
    ends = world.ask("select end_offsets from batches order by batch_id desc limit 1")[0][0]
    before = world.verdicts(), world.quarantine(), world.ask("select * from total_counts order by 1, 2")

    world.remake_input_topic()
    world.send(generated(300, 2))
    refused = world.start()
    assert refused.wait_exit() == 2, refused.tail()
    (event,) = refused.events("stream.refused")
    assert "netheal topic adopt" in event["reason"]
    assert world.settings.stream.input_topic in event["reason"]
    assert before == (world.verdicts(), world.quarantine(), world.ask("select * from total_counts order by 1, 2"))

    adopting = world.start(ADOPT)
    assert adopting.wait_exit() == 0, adopting.tail()
    assert lag(world) == 300, "rows of the new topic are taken for done because of the old one's offsets"
    base = max(map(int, ends.values()))
    assert f"offset {base} on" in adopting.output()
    job = world.start()
    world.wait_done(1_000)
    assert lag(world) == 0
    world.stop(job)
    second = events_of(world.records(), base)
    assert not first.keys() & second.keys()
    assert_exactly_once(world, first | second)


def test_a_second_driver_on_a_checkpoint_is_refused_and_the_first_goes_on(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=300)
    world.send(generated(600, 3))
    first = world.start()
    world.wait_done(600)
    second = world.start()
    assert second.wait_exit() == 2, second.tail()
    (event,) = second.events("stream.refused")
    assert "another driver" in event["reason"]
    world.jobs.remove(second)
    world.send(generated(600, 4))
    world.wait_done(1_200)
    assert not first.events("job.retrying"), "the second driver disturbed the first"
    world.stop(first)
    assert_nothing_twice(world)
    assert_exactly_once(world)


@pytest.mark.slow
@pytest.mark.parametrize("remade_rows", [20, 400])
def test_a_topic_made_again_under_a_pinned_batch_is_refused(make_world: Callable[..., World], remade_rows: int) -> None:
    """It may end before the batch's offsets, or have other rows for them."""
    world = make_world(max_offsets_per_batch=200)
    world.send(generated(400, 5))
    first = events_of(world.records())
    failpoint = {"FAILPOINT": f"{TOPIC_REMADE}:1", "FAILPOINT_MARKER": "", REMADE_ROWS: str(remade_rows)}
    job = world.start((sys.executable, "-m", "tests.stack.failpoint_job"), **failpoint, PYTHONPATH=str(PROJECT_ROOT))
    assert job.wait_exit() == 2, job.tail()
    (event,) = job.events("stream.refused")
    assert "was deleted and recreated" in event["reason"] and "netheal topic adopt" in event["reason"]
    assert world.ask("select batch_id, state from batches order by 1") == [(0, "done"), (1, "open")]
    old = {event: record for event, record in first.items() if record.offset < 100}
    stored = [*world.verdicts()["event_id"].to_pylist(), *world.quarantine()["event_id"].to_pylist()]
    served = [event for (event,) in world.ask("select event_id from verdicts union all select event_id from rejected")]
    assert sorted(stored) == sorted(served) == sorted(old), "rows of the new topic were taken for the old one's"
