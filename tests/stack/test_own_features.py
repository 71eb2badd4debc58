"""A model whose features are no shipped contract scores the rows that have them, and every row stays in its place."""

import json
from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc
import pytest

from netheal.contracts.declared_features import declared_column
from tests.own_features import own_messages, own_model
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World
from tests.stack.registry import activate_model, register, roll_back
from tests.stack.test_crashes import generated, start_dying

pytestmark = pytest.mark.stack


def sent(world: World, messages: list[dict[str, object]]) -> None:
    world.send([json.dumps(message).encode() for message in messages])


def test_its_rows_are_scored_while_it_is_active_and_quarantined_before_and_after(
    make_world: Callable[..., World],
) -> None:
    world, own = make_world(), own_model()
    messages = own_messages(300)
    sent(world, messages[:100])
    job = world.start()
    world.wait_done(100)
    model = register(world, own.served)
    activate_model(world, model)
    lacking = [{name: value for name, value in m.items() if name != "Payload Entropy"} for m in messages[:10]]
    world.send([json.dumps(m).encode() for m in [*messages[100:200], *lacking]] + generated(200))
    world.wait_done(410)
    roll_back(world, "threat_detector")
    sent(world, messages[200:])
    world.wait_done(510)
    world.stop(job)

    verdicts = world.verdicts()
    scored = verdicts.filter(pc.equal(verdicts["threat_model_hash"], model.bundle_hash)).sort_by("offset")
    assert scored.num_rows == 100
    by_entropy = {m["Payload Entropy"]: m for m in messages[100:200]}
    rows = [by_entropy[entropy] for entropy in scored[declared_column("Payload Entropy")].to_pylist()]
    np.testing.assert_allclose(scored["threat_score"].to_numpy(), own.scores(rows), atol=1e-6)
    assert scored["protocol_type_category"].to_pylist() == [m["protocol_type"] for m in rows]
    assert scored["flow_iat_max"].to_pylist() == [m[" Flow IAT Max"] for m in rows]
    rejected = world.quarantine()
    own_rejected = [(r, f) for r, f in zip(*(rejected[n].to_pylist() for n in ("reason", "field")), strict=True)]
    assert own_rejected.count(("missing_feature", "Payload Entropy")) == 10
    assert_exactly_once(world)


@pytest.mark.slow
def test_a_batch_that_is_replayed_is_read_for_the_contracts_it_was_pinned_to(make_world: Callable[..., World]) -> None:
    """Killed when its parts are written; the model is rolled back before the replay."""
    world, own = make_world(), own_model()
    sent(world, own_messages(50))
    job = world.start()
    world.wait_done(50)
    world.stop(job)
    model = register(world, own.served)
    activate_model(world, model)
    messages = own_messages(200, seed=3)
    sent(world, messages)
    job, marker = start_dying(world, "rows_stored", 1)
    job.wait_exit()
    assert marker.exists()
    roll_back(world, "threat_detector")
    job = world.start()
    world.wait_done(250)
    world.stop(job)
    verdicts = world.verdicts()
    assert verdicts.num_rows == 200 and set(verdicts["threat_model_hash"].to_pylist()) == {model.bundle_hash}
    assert_exactly_once(world)
