"""`netheal maintain` beside a running stream: no batch fails, no row is lost or twice, also where it is killed."""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World, eventually

pytestmark = pytest.mark.stack

MAINTAIN = (sys.executable, "-m", "jobs.maintain", "--json")
ROWS_PER_S = 400
PIECE = 100


class SteadyTraffic(threading.Thread):
    """Sends rows at a rate until it is told to end; `rows` so far."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.rows = 0
        self.ending = threading.Event()
        self._world = world
        self._messages = TrafficGenerator(11, broken_share=0.1)

    def run(self) -> None:
        due = time.monotonic()
        while not self.ending.is_set():
            self._world.send(self._messages.messages(PIECE))
            self.rows += PIECE
            due += PIECE / ROWS_PER_S
            self.ending.wait(max(0.0, due - time.monotonic()))


def maintain(world: World) -> dict[str, Any]:
    """One maintenance to its end; what it did."""
    job = world.start(MAINTAIN)
    world.jobs.remove(job)
    assert job.wait_exit() == 0, job.tail()
    return dict(json.loads(job.output().splitlines()[-1]))


def rewritten(world: World, table: str) -> set[Path]:
    """Parts that compactions wrote, committed or not."""
    return set(Path(world.settings.paths.delta_root, table).glob("date=*/part-*.parquet"))


def kill_in_compaction(world: World, table: str) -> bool:
    """One maintenance, killed once it writes a part of that table; whether it was still at it."""
    before = rewritten(world, table)
    job = world.start(MAINTAIN)
    world.jobs.remove(job)
    eventually(lambda: rewritten(world, table) - before or job.process.poll() is not None, "a part is rewritten")
    job.kill()
    return job.process.returncode == -signal.SIGKILL


def test_a_running_stream_does_not_notice(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.make_topics()
    stream = world.start()
    traffic = SteadyTraffic(world)
    traffic.start()
    try:
        world.wait_done(1)
        done, killed = 0, 0
        for table in ("verdicts", "quarantine", "verdicts", "quarantine"):
            killed += kill_in_compaction(world, table)
            done += maintain(world)["delta"]["verdicts"]["compaction"]["parts"]
        assert killed > 0 and done > 0
    finally:
        traffic.ending.set()
        traffic.join()
    eventually(lambda: world.done_rows() == traffic.rows, "every row is done")
    assert stream.events("batch.replayed") == [] and stream.process.poll() is None
    assert world.ask("select max(attempts), max(failure) from batches") == [(1, "")]
    world.stop(stream)
    maintain(world)
    for layout in (verdicts_layout(), quarantine_layout()):
        assert len(DeltaTable(layout.uri(world.settings.paths.delta_root)).file_uris()) <= 2
    assert_exactly_once(world)
