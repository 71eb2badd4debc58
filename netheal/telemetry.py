"""Structured events: one JSON line an event on stderr, with a stable name and ids as fields."""

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal, TextIO

import structlog

Event = Literal[
    "job.started",
    "job.stopped",
    "job.cut",
    "job.failed",
    "job.retrying",
    "state.not_reported",
    "model.loaded",
    "model.imported",
    "model.failed",
    "registry.away",
    "batch.replayed",
    "batch.reread",
    "parts.removed",
    "parts.not_removed",
    "batch.skipped",
    "batch.committed",
    "drift.note",
    "drift.alarm",
    "drift.over",
    "stream.refused",
    "checkpoint.rebuilt",
    "upload.scored",
    "upload.left_open",
    "delta.compacted",
    "maintenance.postponed",
    "replay.resumed",
    "replay.batch_done",
    "partition.dropped",
    "partition.in_use",
    "outage.began",
    "outage.ended",
    "outage.not_written",
    "api.admin_token_made",
    "api.failed",
    "api.server",
    "api.started",
    "api.stopped",
    "live.broker_away",
    "live.broker_back",
    "live.failed",
    "child.started",
    "child.stopped",
    "child.died",
    "child.not_started",
    "child.not_stopped",
    "thread.failed",
    "disk.full",
    "disk.free_again",
]
"""Every event name there is, so that an alert can rely on it."""


class _Lossy:
    """A stream that drops what cannot be written: a full disk costs lines of the log, not what they are about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or leave it for later."""
        with suppress(OSError):
            self._stream.flush()


def configure_logging(file: Path | None = None) -> None:
    """Called once by an entry point: events go to stderr, or to the end of `file`."""
    stream: TextIO = sys.stderr
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8")
    logging.basicConfig(stream=stream, level=logging.WARNING, force=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(_Lossy(stream)),  # type: ignore[arg-type]
    )


def emit(event: Event, **fields: object) -> None:
    """Write one event."""
    structlog.get_logger().info(event, **fields)
