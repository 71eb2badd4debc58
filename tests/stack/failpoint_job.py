"""The streaming job with one step after which the driver, its JVM and the task at hand are killed.

Only tests start it. FAILPOINT is `step:batch_id`, FAILPOINT_MARKER a file that tells that it was reached.
"""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from jobs.score_stream import run
from jobs.stages.score_task import SinkPlan, Sinks
from jobs.stages.scoring import Scoring
from jobs.stages.shutdown import ShutdownGate
from jobs.stages.startup import StreamParts
from netheal.host.scratch import use_scratch_folder
from netheal.settings import load_settings
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.sinks.output_topic import OutputTopicWriter
from netheal.sinks.postgres_rows import PostgresRowWriter
from netheal.store.counts import Counts
from netheal.store.delta import DeltaLog, Layout, Part
from netheal.store.drift import BatchDrift, JudgedWindow
from netheal.store.ledger import BatchPins, Ledger, LedgerEntry
from netheal.telemetry import configure_logging
from netheal.traffic.generator import TrafficGenerator
from tests.stack.harness import World

STEPS = (
    "pinned",
    "part_written",
    "rows_stored",
    "messages_sent",
    "verdicts_committed",
    "quarantine_committed",
    "batch_closed",
)
WORKER_DIES = "worker_dies"
RECORDS_DELETED = "records_deleted"
TOPIC_REMADE = "topic_remade"
REMADE_ROWS = "FAILPOINT_REMADE_ROWS"
"""So many rows has each partition of the topic that is made again once the batch is pinned."""
DELETED_ROWS = 200
"""So many of partition 0's rows from the batch's first on are removed from the topic once it is pinned."""


def reached(step: str, batch_id: int) -> None:
    """Die here, if this is the place, and was not before."""
    marker = Path(os.environ["FAILPOINT_MARKER"])
    if os.environ["FAILPOINT"] != f"{step}:{batch_id}":
        return
    try:
        marker.touch(exist_ok=False)  # of several tasks that come here at once, one dies
    except FileExistsError:
        return
    if step != WORKER_DIES:
        os.killpg(int(os.environ["FAILPOINT_GROUP"]), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class Then:
    """A sink writer after whose receipt a step is reached."""

    def __init__(self, writer: Any, step: str, batch_id: int) -> None:
        self._writer, self._step, self._batch_id = writer, step, batch_id

    def write(self, *tables: Any) -> None:
        self._writer.write(*tables)

    def receipt(self) -> Any:
        receipt = self._writer.receipt()
        reached(self._step, self._batch_id)
        return receipt

    def discard(self) -> None:
        self._writer.discard()


class DyingSinks(Sinks):
    """The sinks of a task."""

    def __init__(self, plan: SinkPlan, batch_id: int) -> None:
        super().__init__(plan, batch_id)
        reached(WORKER_DIES, batch_id)
        self.quarantine_parts = cast(DeltaPartWriter, Then(self.quarantine_parts, "part_written", batch_id))
        self.serving_rows = cast(PostgresRowWriter, Then(self.serving_rows, "rows_stored", batch_id))
        self.messages = cast(OutputTopicWriter, Then(self.messages, "messages_sent", batch_id))


class DyingDeltaLog(DeltaLog):
    """A Delta table's log."""

    def __init__(self, layout: Layout, root: str) -> None:
        super().__init__(layout, root)
        self._step = f"{layout.name}_committed"

    def commit(self, parts: Sequence[Part], app_id: str, batch_id: int) -> bool:
        done = super().commit(parts, app_id, batch_id)
        reached(self._step, batch_id)
        return done


def delete_first_records(pins: BatchPins) -> None:
    """What retention does, at the worst moment."""
    admin = AdminClient({"bootstrap.servers": load_settings().kafka.bootstrap_servers})
    place = TopicPartition(pins.topic, 0, pins.start_offsets["0"] + DELETED_ROWS)
    admin.delete_records([place])[place].result()


def remake_topic(pins: BatchPins) -> None:
    """Another topic of the same name, with other rows."""
    world = World(load_settings())
    world.remake_input_topic()
    rows = int(os.environ[REMADE_ROWS]) * world.settings.stream.topic_partitions
    world.send(TrafficGenerator(99).messages(rows))


class DyingLedger(Ledger):
    """The ledger."""

    def open_batch(self, batch_id: int, pins: BatchPins, policy: dict[str, Any]) -> LedgerEntry:
        entry = super().open_batch(batch_id, pins, policy)
        reached("pinned", batch_id)
        if os.environ["FAILPOINT"] == f"{RECORDS_DELETED}:{batch_id}":
            delete_first_records(pins)
        if os.environ["FAILPOINT"] == f"{TOPIC_REMADE}:{batch_id}" and entry.new:
            remake_topic(pins)
        return entry

    def close_batch(
        self, batch_id: int, verdicts: int, rejected: int, counts: Counts, drift: BatchDrift | None = None
    ) -> list[JudgedWindow]:
        judged = super().close_batch(batch_id, verdicts, rejected, counts, drift)
        reached("batch_closed", batch_id)
        return judged


PARTS = StreamParts(
    open_sinks=DyingSinks,
    ledger=DyingLedger,
    delta_log=DyingDeltaLog,
    scoring=partial(Scoring, rows_per_task=1),
)
"""With several tasks a batch, however small, so that one dies while another may have written all of its rows."""


def main() -> int:
    """The entry point."""
    os.environ["FAILPOINT_GROUP"] = str(os.getpgrp())
    configure_logging()
    gate = ShutdownGate()
    gate.listen()
    settings = load_settings()
    use_scratch_folder(settings.paths.scratch_dir, "job")  # as the job itself: a JVM that is killed leaves files behind
    return run(settings, gate, PARTS)


if __name__ == "__main__":
    # Imported by name, so that Python workers find the sinks in a module and not in this process's __main__.
    from tests.stack import failpoint_job

    sys.exit(failpoint_job.main())
