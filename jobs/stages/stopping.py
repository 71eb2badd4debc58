"""A clean stop: the micro-batch that runs is finished, none is begun after it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

BatchFunction = Callable[[DataFrame, int], None]


class Stopping(Exception):
    """A batch was about to begin while the job stops; Spark replays it at the next start."""


class StopGate:
    """Between a stop signal and the micro-batches; also remembers what a batch failed with."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.failure: BaseException | None = None
        self._batch = threading.Lock()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.requested.set()

    def guard(self, function: BatchFunction) -> BatchFunction:
        """`function`, run under the gate."""

        def guarded(records: DataFrame, batch_id: int) -> None:
            with self._batch:
                if self.requested.is_set():
                    raise Stopping
                try:
                    function(records, batch_id)
                except BaseException as failure:
                    self.failure = failure
                    raise

        return guarded

    def close(self, query: StreamingQuery) -> None:
        """Wait until no batch runs, then stop the query."""
        self.requested.set()
        with self._batch:
            query.stop()
