"""The first request to stop drains for a bounded time, the second one does not."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from netheal.cli.stop_requests import StopRequests
from netheal.settings.load import outside_fields
from netheal.shutdown_budget import END_S, JOB_ALONE_S, JOB_S, KILLED_S, PROMISED_S, batch_bound_s, cut_bound_s

Eventually = Callable[[Callable[[], object]], None]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_drains_and_the_second_ends_it(number: signal.Signals, eventually: Eventually) -> None:
    before = signal.getsignal(number)
    with StopRequests(drain_s=3600.0) as stop:
        assert not stop.requested and not stop.out_of_patience
        os.kill(os.getpid(), number)
        eventually(lambda: stop.requested)
        assert not stop.out_of_patience
        os.kill(os.getpid(), number)
        eventually(lambda: stop.out_of_patience)
        assert 0 < stop.left_s <= END_S
    assert signal.getsignal(number) is before


def test_a_drain_is_bounded(eventually: Eventually) -> None:
    with StopRequests(drain_s=0.1) as stop:
        begun = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: stop.out_of_patience)
        assert stop.left_s <= 0.1 + END_S - (time.monotonic() - begun) + 1.0


def test_the_shipped_bounds_keep_what_is_promised() -> None:
    assert PROMISED_S <= 30.0
    assert outside_fields()["stop_drain_s"].default + END_S + 2 * KILLED_S <= PROMISED_S
    assert outside_fields()["job_stop_s"].default == JOB_ALONE_S < PROMISED_S
    for job_stop_s in (JOB_S, JOB_ALONE_S):
        assert 0 < batch_bound_s(job_stop_s) < cut_bound_s(job_stop_s) < job_stop_s
