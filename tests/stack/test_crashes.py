"""The driver is killed at every step of a micro-batch: nothing is lost, nothing stands twice."""

import json
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg2.extras
import pytest

from netheal.bundles.served import ServedBundle, read_served
from netheal.registry.artefacts import Artefacts
from netheal.settings import PROJECT_ROOT
from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import (
    assert_drift_counted_once,
    assert_exactly_once,
    assert_no_part_left_over,
    assert_nothing_twice,
)
from tests.stack.failpoint_job import STEPS, WORKER_DIES
from tests.stack.harness import Job, World

pytestmark = pytest.mark.stack

BATCH_ROWS = 400
FAILPOINT_JOB = (sys.executable, "-m", "tests.stack.failpoint_job")


def generated(rows: int, seed: int = 7) -> list[bytes]:
    """Rows of every contract, a tenth of them broken, so that each batch has verdicts and rejected rows."""
    return TrafficGenerator(seed, broken_share=0.1).messages(rows)


def start_dying(world: World, step: str, batch_id: int) -> tuple[Job, Path]:
    marker = world.settings.paths.var_dir / f"reached-{step}"
    path = str(PROJECT_ROOT)
    return world.start(
        FAILPOINT_JOB, FAILPOINT=f"{step}:{batch_id}", FAILPOINT_MARKER=str(marker), PYTHONPATH=path
    ), marker


def other_version(world: World) -> ServedBundle:
    """The starter attack classifier under another version, and so another hash, registered but not active."""
    starter = read_served(world.settings.paths.starter_models_dir / "attack_classifier")
    bundle = ServedBundle(replace(starter.manifest, version="decision_tree_v9_other"), starter.onnx)
    Artefacts(world.settings.paths.artefacts_dir).put(bundle)
    world.ask(
        "insert into models (model_type, version, model_version, state, bundle_hash, manifest)"
        " values (%s, '20261122_000000', %s, 'validated', %s, %s)",
        bundle.manifest.model_type,
        bundle.manifest.version,
        bundle.hash,
        psycopg2.extras.Json(json.loads(bundle.manifest.to_json())),
    )
    return bundle


def activate_the_other(world: World) -> None:
    """Swap the active attack classifier with the one that is not."""
    kind = "model_type = 'attack_classifier'"
    (chosen,) = world.ask(f"select bundle_hash from models where {kind} and state <> 'active'")
    world.ask(f"update models set state = 'inactive' where {kind} and state = 'active'")
    world.ask(f"update models set state = 'active' where {kind} and bundle_hash = %s", chosen[0])


def change_policy(world: World, turn: int) -> None:
    """Another healing policy from now on."""
    path = world.settings.paths.conf_dir / "healing_policy.json"
    document = json.loads(path.read_text("utf-8"))
    document["classes"]["DDoS"]["params"] = {"service": f"web{turn}"}
    path.write_text(json.dumps(document), "utf-8")


def pins(world: World) -> dict[int, tuple[dict[str, str], str, dict[str, int]]]:
    rows = world.ask("select batch_id, models, policy_version, end_offsets from batches")
    return {batch: (models, policy, ends) for batch, models, policy, ends in rows}


@pytest.mark.slow
def test_killed_after_each_step_in_turn(make_world: Callable[..., World], var_folder: Path) -> None:
    """Batch n is killed after step n; every restart first replays it, with another model and policy active."""
    conf = var_folder / "conf"
    shutil.copytree(PROJECT_ROOT / "conf", conf)
    world = make_world(max_offsets_per_batch=BATCH_ROWS, conf_dir=conf)
    rows = BATCH_ROWS * (len(STEPS) + 1)
    world.send(generated(rows))
    pinned: dict[int, tuple[dict[str, str], str, dict[str, int]]] = {}
    for batch_id, step in enumerate(STEPS):
        job, marker = start_dying(world, step, batch_id)
        assert job.wait_exit() == -signal.SIGKILL, job.tail()
        assert marker.exists(), f"{step} was never reached: {job.tail()}"
        state = dict(world.ask("select batch_id, state from batches"))
        assert state == dict.fromkeys(range(batch_id), "done") | {
            batch_id: "done" if step == "batch_closed" else "open"
        }
        assert pinned == {batch: entry for batch, entry in pins(world).items() if batch < batch_id}, step
        if batch_id == 0:
            other_version(world)
        else:
            assert_nothing_twice(world)
        pinned = pins(world)
        activate_the_other(world)
        change_policy(world, batch_id)
    job = world.start()
    world.wait_done(rows)
    world.stop(job)
    assert pins(world).items() >= pinned.items()
    assert_exactly_once(world)
    assert_drift_counted_once(world)
    assert_no_part_left_over(world)
    for column in ("attack_model_hash", "policy_version"):
        assert len(set(world.verdicts()[column].to_pylist()) - {None}) > 1, f"{column} never changed"


def test_a_killed_python_worker_costs_a_replay_and_not_the_job(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(generated(3 * BATCH_ROWS))
    job, marker = start_dying(world, WORKER_DIES, 1)
    world.wait_done(3 * BATCH_ROWS)
    assert marker.exists()
    assert [event["batch_id"] for event in job.events("batch.replayed")] == [1]
    world.stop(job)
    assert_exactly_once(world)
    assert_drift_counted_once(world)
