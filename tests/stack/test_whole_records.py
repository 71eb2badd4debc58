"""Any record that a broker takes is in exactly one of verdicts and quarantine, and the stream goes on."""

from collections import Counter
from collections.abc import Callable

import pytest

from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World
from tests.whole_records import whole_records

pytestmark = pytest.mark.stack

SEED = 12
LONGEST = str(2**63 - 1)


@pytest.mark.slow
def test_a_fuzz_of_whole_records_through_the_real_sinks(
    make_world: Callable[..., World], pytestconfig: pytest.Config
) -> None:
    """Times of all sorts, and gaps of aborted transactions among them."""
    world = make_world(max_offsets_per_batch=6_000, serving_days=36_500)
    world.make_topics(message_timestamp_before_max_ms=LONGEST, message_timestamp_after_max_ms=LONGEST)
    records = whole_records(SEED, pytestconfig.getoption("--whole-records"))
    plain = [record for record in records if not record.overflows]
    overflowing = [record for record in records if record.overflows]
    world.send_whole(plain[: len(plain) // 2])
    world.send_whole(plain[:501], transaction="abort")
    world.send_whole(plain[len(plain) // 2 :], transaction="commit")
    world.send_whole([*overflowing, *overflowing[:1]], transaction="abort")
    world.send_whole(overflowing, transaction="commit")
    world.send_whole(overflowing[:301], transaction="abort")
    job = world.start()
    world.wait_done(len(records))
    world.send(TrafficGenerator(13, broken_share=0).messages(400))
    world.wait_done(len(records) + 400)
    world.stop(job)
    assert not job.events("job.retrying")
    assert_exactly_once(world)
    reasons = Counter(world.quarantine()["reason"].to_pylist())
    assert reasons["bad_timestamp"] > len(records) // 20 and len(reasons) > 10
    assert world.verdicts().num_rows > len(records) // 3
