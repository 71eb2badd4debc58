"""`netheal replay` beside a running stream: rows that waited for a model come to every sink, once."""

import json
import sys
from collections.abc import Callable

import pytest

from netheal.registry.changes import activate, deactivate
from netheal.store.database import connect
from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import assert_nothing_twice
from tests.stack.harness import World, eventually
from tests.stack.registry import REASON

pytestmark = pytest.mark.stack

ROWS = 300
REPLAY = (sys.executable, "-m", "jobs.replay_quarantine", "--json")


def change_models(world: World, active: bool) -> None:
    connection = connect(world.dsn)
    try:
        for (model,) in world.ask("select id from models order by id"):
            (activate if active else deactivate)(connection, model, REASON)
    finally:
        connection.close()


def test_rows_that_waited_for_a_model_come_to_every_sink(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.make_topics()
    stream = world.start()
    eventually(lambda: stream.events("job.started"), "the stream is open")
    change_models(world, active=False)
    world.send(TrafficGenerator(7, broken_share=0.1).messages(ROWS))
    world.wait_done(ROWS)
    assert world.verdicts().num_rows == 0 and world.quarantine().num_rows == ROWS
    change_models(world, active=True)
    world.send(TrafficGenerator(8, broken_share=0.0).messages(ROWS))
    reports = []
    for _ in range(2):
        replay = world.start(REPLAY)
        world.jobs.remove(replay)
        assert replay.wait_exit() == 0, replay.tail()
        reports.append(json.loads(replay.output().splitlines()[-1]))
    world.wait_done(2 * ROWS)
    world.stop(stream)
    accepted = reports[0]["accepted"]
    assert accepted > 0 and reports[0]["rejected_again"] == ROWS - accepted
    assert (reports[1]["accepted"], reports[1]["skipped"]["accepted_before"]) == (0, accepted)
    assert_nothing_twice(world)
    verdicts, quarantine = world.verdicts(), world.quarantine()
    assert verdicts.num_rows + quarantine.num_rows == 2 * ROWS + accepted
    ids = verdicts["event_id"].to_pylist()
    assert ids == [event for (event,) in world.ask("select event_id from verdicts order by 1")]
    messages = {int(record.key or b"-1") for record in world.records(world.settings.stream.output_topic)}
    assert messages == set(ids)
    both = set(ids) & set(quarantine["event_id"].to_pylist())
    assert both == {event for (event,) in world.ask("select event_id from replayed where result = 'accepted'")}
    for table in ("total_counts", "minute_counts"):
        counted = world.ask(f"select sum(n)::int from {table} where kind = 'prediction'")
        assert counted == [(len(ids),)]
    assert world.ask("select max(attempts), max(failure) from batches") == [(1, "")]
