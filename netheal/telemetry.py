"""Structured events: one JSON line an event on stderr, with a stable name and ids as fields."""

import logging
import sys
from typing import Literal

import structlog

Event = Literal[
    "job.started",
    "job.stopping",
    "job.stopped",
    "job.failed",
    "job.retrying",
    "model.loaded",
    "model.imported",
    "batch.replayed",
    "batch.skipped",
    "batch.committed",
    "stream.refused",
    "child.started",
    "child.stopped",
    "child.died",
    "store.migrated",
]
"""Every event name there is, so that an alert can rely on it."""


def configure_logging() -> None:
    """Called once by an entry point."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def emit(event: Event, **fields: object) -> None:
    """Write one event."""
    structlog.get_logger().info(event, **fields)
