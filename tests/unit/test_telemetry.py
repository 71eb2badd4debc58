"""A log that cannot be written costs its lines, and nothing else."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from netheal.telemetry import configure_logging, emit


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


def test_a_full_disk_is_no_error_of_whoever_logs() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")
    configure_logging(full)
    emit("job.started")
