"""Traffic into the input topic, from files or from the generator, beside everything else."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from netheal.errors import NethealError, reason_of
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.settings import Settings
from netheal.shutdown_budget import FEED_S
from netheal.telemetry import emit
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.send import send_messages

_SLICES_PER_S = 10
Chunks = Iterator[Sequence[bytes]]


class TrafficFeed:
    """One thread that sends until its traffic ends or `stop` is called; `sent` counts acknowledged rows at its end.

    A broker that is away is waited for.
    """

    def __init__(self, settings: Settings, chunks: Chunks, rate_per_s: float | None) -> None:
        self.sent = 0
        self.failure: NethealError | None = None
        self._settings = settings
        self._chunks = chunks
        self._rate_per_s = rate_per_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="netheal-feed", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all is sent."""
        return not self._thread.is_alive()

    def stop_soon(self) -> None:
        """Send no more; returns at once."""
        self._stopped.set()

    def stop(self) -> None:
        """Send no more, and wait for what is on its way, but not for a broker that is away."""
        self.stop_soon()
        if self._thread.is_alive():
            self._thread.join(FEED_S)

    def _run(self) -> None:
        settings = self._settings
        try:
            report = send_messages(
                self._until_stopped(),
                settings.kafka.bootstrap_servers,
                settings.stream.input_topic,
                self._rate_per_s,
                settings.kafka.client_options,
                stop=self._stopped,
            )
            self.sent = report.sent
        except NethealError as failure:
            self.failure = failure
        except Exception as error:  # noqa: BLE001 - one that is not told would look like traffic that has ended
            emit("thread.failed", thread=self._thread.name, reason=reason_of(error), exc_info=error)
            self.failure = NethealError(f"the traffic cannot be sent: {reason_of(error)}; the log has more")

    def _until_stopped(self) -> Chunks:
        for chunk in self._chunks:
            if self._stopped.is_set():
                return
            yield chunk


def file_chunks(paths: Sequence[Path]) -> Chunks:
    """The rows of flow files as messages."""
    return (encode_rows(table) for path in paths for table in read_flow_file(path))


def generated_chunks(rate_per_s: float, seed: int, duration_s: float | None) -> Chunks:
    """Generated messages in slices of a tenth of a second, for `duration_s` or for ever."""
    generator = TrafficGenerator(seed, start=datetime.now(UTC), rows_per_s=rate_per_s)
    size = max(1, int(rate_per_s / _SLICES_PER_S))
    begun = time.monotonic()
    while duration_s is None or time.monotonic() - begun < duration_s:
        yield generator.messages(size)
