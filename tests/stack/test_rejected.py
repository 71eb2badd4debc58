"""Messages that are no flow record, and rows without a model: all of them in quarantine, whole, with a reason."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netheal.contracts import contract
from netheal.records.strict_parser import MAX_VALUE_BYTES
from netheal.traffic.broken import BROKEN, Broken, break_message
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.mix import default_mix
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World

pytestmark = pytest.mark.stack

REASONS: dict[Broken, str] = {
    "empty": "empty",
    "not_utf8": "not_utf8",
    "not_json": "not_json",
    "trailing_data": "trailing_data",
    "array": "not_an_object",
    "nested_value": "nested_value",
    "missing_feature": "missing_feature",
    "string_for_number": "wrong_type",
    "boolean_for_number": "wrong_type",
    "nan": "nan",
    "out_of_range": "out_of_range",
    "unknown_category": "unknown_category",
    "no_contract": "no_contract",
}
ODD: list[tuple[bytes | None, str]] = [
    (None, "empty"),
    (b" \n\t ", "empty"),
    (b"\x00", "not_json"),
    (b"{" * 200_000, "not_json"),
    (b'{"a":' * 50_000, "not_json"),
    (b"\xff\xfe\x00", "not_utf8"),
    (b"null", "not_an_object"),
    (b"{}", "no_contract"),
    (b'{"src_bytes": 1}\n{"src_bytes": 2}', "trailing_data"),
    (b'{"src_bytes": "' + b"x" * MAX_VALUE_BYTES + b'"}', "too_large"),
]


def sound_messages(rows: int) -> list[bytes]:
    """Rows of threat/v1, in which every way to be broken is possible."""
    mix = replace(default_mix(), contracts={"threat/v1": 1.0})
    return TrafficGenerator(11, mix=mix, broken_share=0.0).messages(rows)


def broken_messages() -> list[tuple[bytes, str]]:
    """Every kind of broken message, three times, each with the reason that is due."""
    rng, wire = np.random.default_rng(5), contract("threat/v1")
    sound = iter(sound_messages(3 * len(BROKEN)))
    return [(break_message(kind, next(sound), wire, rng), REASONS[kind]) for kind in BROKEN for _ in range(3)]


@pytest.mark.slow
def test_a_topic_that_is_all_bad_and_then_a_batch_of_everything(make_world: Callable[..., World]) -> None:
    world = make_world()
    bad = [*broken_messages(), *ODD]
    expected = dict(bad)
    world.send([value for value, _ in bad], key=b"\xffkey")
    job = world.start()
    world.wait_done(len(bad))
    assert world.verdicts().num_rows == 0
    reasons = world.quarantine().select(["value", "reason"]).to_pylist()
    assert {row["value"]: row["reason"] for row in reasons} == expected
    assert_exactly_once(world)

    good = sound_messages(400)
    mixed = [message for pair in zip(good, [value for value, _ in bad] * 10, strict=False) for message in pair]
    world.send(mixed)
    world.wait_done(len(bad) + len(mixed))
    world.stop(job)
    assert not job.events("job.retrying")
    assert world.verdicts().num_rows == len(good)
    assert_exactly_once(world)


def test_rows_without_an_active_model_are_kept_for_later(make_world: Callable[..., World], var_folder: Path) -> None:
    empty = var_folder / "no-models"
    empty.mkdir()
    world = make_world(starter_models_dir=empty)
    world.send(TrafficGenerator(12, broken_share=0.0).messages(500))
    job = world.start()
    world.wait_done(500)
    assert Counter(world.quarantine()["reason"].to_pylist()) == {"no_active_model": 500}
    world.stop(job)
    assert_exactly_once(world)
