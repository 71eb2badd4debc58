"""Structured events: one line an event on stderr, as JSON or as text, with a stable name and ids as fields."""

import logging
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import structlog
from structlog.typing import EventDict, Processor

LogFormat = Literal["json", "text"]

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
    "notification.collected",
    "notification.sent",
    "notification.failed",
    "notification.standby",
    "notification.store_away",
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
    "commit.retried",
    "metrics.serving",
    "metrics.not_collected",
    "library.logged",
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


class _EventCounts:
    """How often each event was emitted by this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter(dict.fromkeys(get_args(Event), 0))

    def add(self, event: str) -> None:
        """Count one."""
        with self._lock:
            self._counts[event] += 1

    def copy(self) -> dict[str, int]:
        """All, also those that were never emitted: a counter that begins above 0 would hide its first."""
        with self._lock:
            return dict(self._counts)


_COUNTS = _EventCounts()


def emitted_events() -> dict[str, int]:
    """Event name -> how often this process emitted it."""
    return _COUNTS.copy()


def configure_logging(file: Path | None = None, log_format: LogFormat = "json") -> None:
    """Called by an entry point: events go to stderr, or to the end of `file`, one a line in the format.

    So does what libraries say from warnings on, as `library.logged`. An entry point calls it first without a format,
    so that what is wrong with the settings is told, and again when it has them.
    """
    stream: TextIO = sys.stderr
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8")
    lossy: Any = _Lossy(stream)
    first: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(lossy)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(log_format)],
            foreign_pre_chain=[_as_library_event, *first],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*first, *_renderer(log_format)],
        logger_factory=structlog.PrintLoggerFactory(lossy),
        cache_logger_on_first_use=False,
    )


def _renderer(log_format: LogFormat) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain, pad_event_to=0)]


def _as_library_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    """What a library logs has a text where ours have a name."""
    message = event.pop("event")
    return {**event, "event": "library.logged", "logger": event["_record"].name, "message": message}


def emit(event: Event, **fields: object) -> None:
    """Write one event, and count it."""
    _COUNTS.add(event)
    structlog.get_logger().info(event, **fields)
