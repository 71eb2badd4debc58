"""The streaming job with sinks that fail or hang for one micro-batch, as long as a file says so.

Only tests start it. FAILING is the file: `fail` or `hang`, a space, and the batch's number.
"""

import os
import sys
import threading
from pathlib import Path

from jobs.score_stream import run
from jobs.stages.receipt import TaskReceipt
from jobs.stages.score_task import SinkPlan, Sinks
from jobs.stages.shutdown import ShutdownGate
from jobs.stages.startup import StreamParts
from netheal.settings import load_settings
from netheal.telemetry import configure_logging
from netheal.verdicts.counts import MinuteCounts


class FailingSinks(Sinks):
    """The sinks of a task."""

    def __init__(self, plan: SinkPlan, batch_id: int) -> None:
        super().__init__(plan, batch_id)
        self._batch_id = batch_id

    def receipt(self, verdicts: int, rejected: int, counts: MinuteCounts) -> TaskReceipt:
        """As it should be, or not."""
        told = Path(os.environ["FAILING"])
        how, batch = told.read_text().split() if told.exists() else ("", "-1")
        if int(batch) == self._batch_id and how == "fail":
            raise ValueError("no sink takes\0this")
        if int(batch) == self._batch_id and how == "hang":
            threading.Event().wait()
        return super().receipt(verdicts, rejected, counts)


def main() -> int:
    """The entry point."""
    configure_logging()
    gate = ShutdownGate()
    gate.listen()
    try:
        return run(load_settings(), gate, StreamParts(open_sinks=FailingSinks))
    finally:
        gate.finish()


if __name__ == "__main__":
    # Imported by name, so that Python workers find the sinks in a module and not in this process's __main__.
    from tests.stack import failing_job

    sys.exit(failing_job.main())
