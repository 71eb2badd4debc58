"""A model is changed while rows flow: nothing lost, nothing twice, and every row says which model scored it."""

import itertools
import json
import threading
import time
from collections.abc import Callable

import pytest

from netheal.registry.records import ModelRecord
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.pace import paced
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World, eventually
from tests.stack.registry import activate_model, delete_model, failing_where_zero, register, renamed, roll_back, starter

pytestmark = pytest.mark.stack
ATTACK = "attack_classifier"
PORT = " Destination Port"
RATE_PER_S = 2_000
SWAPS = 20


def attack_rows(rows: int, seed: int) -> list[bytes]:
    """Messages that have the features of attack/v1, no port of which is 0."""
    made = (m for m in TrafficGenerator(seed, broken_share=0.0).messages(rows * 4) if PORT.encode() in m)
    found = [message for message in made if json.loads(message)[PORT] != 0][:rows]
    assert len(found) == rows
    return found


def with_port_zero(message: bytes) -> bytes:
    return json.dumps({**json.loads(message), PORT: 0}).encode()


def states(world: World) -> dict[str, str]:
    return dict(world.ask("select model_version, state from models where model_type = %s", ATTACK))


def test_a_model_that_fails_on_real_rows_is_replaced_by_the_one_before(make_world: Callable[..., World]) -> None:
    """One row of the second half of a batch breaks it, when another task has stored its half already."""
    world = make_world()
    world.send(attack_rows(200, seed=1))
    job = world.start()
    world.wait_done(200)
    failing = register(world, failing_where_zero(starter(world, ATTACK), PORT, "decision_tree_v2_failing"))
    world.stop(job)

    good = attack_rows(12_000, seed=2)
    world.send([*good, with_port_zero(good[0])])
    activate_model(world, failing)
    job = world.start()
    world.wait_done(12_201)
    world.send(attack_rows(100, seed=3))
    world.wait_done(12_301)

    world.stop(job)
    assert len(job.events("model.failed")) == 1
    assert len(job.events("job.started")) == 1
    assert not job.events("job.retrying")
    assert states(world) == {
        "random_forest_v1_20261126": "active",
        "decision_tree_v2_failing": "inactive",
    }
    ((action, description, model_id),) = world.ask("select action_type, description, model_id from alerts")
    assert (action, model_id) == ("alert_admin", failing.id)
    assert "decision_tree_v2_failing failed" in description
    assert set(world.verdicts()["attack_model_version"].to_pylist()) <= {"random_forest_v1_20261126", None}
    assert_exactly_once(world, model_failed=True)


def test_without_a_model_before_the_rows_wait_in_quarantine(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.send(attack_rows(10, seed=4))
    job = world.start()
    world.wait_done(10)
    world.stop(job)
    failing = register(world, failing_where_zero(starter(world, ATTACK), PORT, "decision_tree_v2_failing"))
    activate_model(world, failing)
    delete_model(world, ATTACK, "random_forest_v1_20261126")
    world.send([with_port_zero(message) for message in attack_rows(50, seed=5)])
    job = world.start()
    world.wait_done(60)
    world.stop(job)
    assert states(world) == {"random_forest_v1_20261126": "deleted", "decision_tree_v2_failing": "inactive"}
    assert set(world.quarantine()["reason"].to_pylist()) == {"no_active_model"}
    assert_exactly_once(world)


class Flow(threading.Thread):
    """Sends rows at a steady rate until it is told to stop."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.sent = 0
        self._world = world
        self._rows = attack_rows(RATE_PER_S, seed=5)

    def run(self) -> None:
        rows = itertools.cycle(self._rows)
        for size in paced(None, RATE_PER_S, time.monotonic, time.sleep):
            if self.ended.is_set():
                return
            self._world.send(itertools.islice(rows, size))
            self.sent += size


def wait_used(world: World, model: ModelRecord) -> None:
    """Wait until one more batch that is pinned to the model is done."""

    def batches() -> int:
        pinned = "select count(*) from batches, jsonb_each_text(models) as p where state = 'done' and p.value = %s"
        return int(world.ask(pinned, model.bundle_hash)[0][0])

    before = batches()
    eventually(lambda: batches() > before, f"a batch is scored with {model.model_version}")


def test_twenty_changes_while_two_thousand_rows_a_second_flow(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.send(attack_rows(10, seed=6))
    job = world.start()
    world.wait_done(10)
    bundle = starter(world, ATTACK)
    others = [register(world, renamed(bundle, f"decision_tree_v2_swap{n}")) for n in range(SWAPS // 2)]
    flow = Flow(world)
    flow.start()
    for other in others:
        activate_model(world, other)
        wait_used(world, other)
        wait_used(world, roll_back(world, ATTACK))
    flow.ended.set()
    flow.join()
    world.wait_done(10 + flow.sent)
    world.stop(job)
    assert len(job.events("job.started")) == 1
    used = set(world.verdicts()["attack_model_version"].to_pylist())
    assert used == {other.model_version for other in others} | {bundle.manifest.version}
    assert_exactly_once(world)
