"""A clean stop: the running micro-batch is finished, none is begun after it; in time by `netheal.shutdown_budget`."""

import os
import signal
import threading
import time
from collections.abc import Callable
from math import ceil
from types import FrameType
from typing import Any, ClassVar

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from netheal.host.process import kill_children
from netheal.shutdown_budget import JOB_ALONE_S, batch_bound_s, cut_bound_s
from netheal.telemetry import emit

_BEFORE_SPARK = 1000
CUT_STATUS = 3
"""The exit status of a job that had to be cut."""
_ANSWER_S = 0.5

BatchFunction = Callable[[DataFrame, int], None]


class Stopping(Exception):
    """A batch was about to begin while the job stops; Spark replays it at the next start."""


class _JvmEnding:
    """A java.lang.Runnable that the JVM calls as it ends."""

    def __init__(self, gate: "ShutdownGate") -> None:
        self._gate = gate

    def run(self) -> None:
        """Called by the JVM."""
        self._gate.hold_jvm()

    def hashCode(self) -> int:
        """Java keeps hooks in a set."""
        return id(self) % (1 << 31)

    def equals(self, other: object) -> bool:
        """As `hashCode`."""
        return self is other

    class Java:
        """What py4j makes of this class."""

        implements: ClassVar = ["java.lang.Runnable"]


class ShutdownGate:
    """Between a stop signal and the micro-batches; also remembers what became of them.

    `failure` is what the last one failed with, `batches_done` how many have succeeded, `opened` whether the stream
    was ever ready for one. A request to stop is answered within `stop_s`, in whatever state the job is.
    """

    def __init__(self, stop_s: float = JOB_ALONE_S) -> None:
        self.stop_s = stop_s
        self.requested = threading.Event()
        self.finished = threading.Event()
        self.failure: BaseException | None = None
        self.batches_done = 0
        self.opened = False
        self._batch = threading.Lock()
        self._jvm_heard = False
        self._jvm_waits = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def listen_to_jvm(self, spark: SparkSession) -> None:
        """Take the end of the JVM as a request to stop, too, and hold it up until the job is done.

        Under spark-submit the JVM is the parent and gets the SIGTERM. Its shutdown hooks run by priority:
        this one comes before Spark's own, which would cut the micro-batch.
        """
        if self._jvm_heard:
            return
        self._jvm_heard = True
        gateway: Any = spark.sparkContext._gateway
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        java = gateway.jvm
        seconds = java.java.util.concurrent.TimeUnit.SECONDS
        manager = java.org.apache.hadoop.util.ShutdownHookManager.get()
        manager.addShutdownHook(_JvmEnding(self), _BEFORE_SPARK, ceil(self.stop_s), seconds)

    def hold_jvm(self) -> None:
        """Called as the JVM ends: ask the job to stop, and wait until it has."""
        self._jvm_waits = True
        self._request()
        self.finished.wait(self.stop_s)

    def finish(self) -> None:
        """Called as the job's last act; a JVM that waits for it gets the time to hear the answer."""
        self.finished.set()
        if self._jvm_waits:
            time.sleep(_ANSWER_S)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._request()

    def _request(self) -> None:
        if not self.requested.is_set():
            self.requested.set()
            threading.Thread(target=self._cut_if_late, name="stop-bound", daemon=True).start()

    def _cut_if_late(self) -> None:
        """End the process where it has not ended in time, whatever it waits for: what it was at is replayed.

        Also where the job is done and the interpreter waits for a thread: this one lives until the very end.
        """
        time.sleep(cut_bound_s(self.stop_s))
        emit("job.cut", reason=f"it did not end within {cut_bound_s(self.stop_s):g} s of the request to stop")
        kill_children()
        os._exit(CUT_STATUS)

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
                self.batches_done += 1

        return guarded

    def between_batches(self, function: Callable[[], None]) -> None:
        """Run `function` now, unless a batch runs; one that is about to begin waits until it has ended."""
        if self._batch.acquire(blocking=False):
            try:
                function()
            finally:
                self._batch.release()

    def close(self, query: StreamingQuery) -> None:
        """Wait until no batch runs, but not for ever, then stop the query, which cuts what still runs.

        The lock is let go before that: `stop` waits for a batch that has just begun, which must be turned away.
        """
        self.requested.set()
        if self._batch.acquire(timeout=batch_bound_s(self.stop_s)):
            self._batch.release()
        query.stop()
