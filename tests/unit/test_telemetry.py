"""A log that cannot be written costs its lines, and nothing else."""

from pathlib import Path

import pytest

from netheal.telemetry import configure_logging, emit


@pytest.mark.usefixtures("own_logging")
def test_a_full_disk_is_no_error_of_whoever_logs() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full on this system")
    configure_logging(full)
    emit("job.started")
