"""A sender that is told to stop does so, wherever it waits."""

import threading
import time

import pytest

from netheal.errors import ServiceUnavailable
from netheal.traffic.send import send_messages

NOBODY = "127.0.0.1:1"
BOUND_S = 30.0


def test_a_broker_that_is_away_is_waited_for_until_stopped() -> None:
    stop, ended = threading.Event(), threading.Event()
    sent: list[int] = []

    def send() -> None:
        sent.append(
            send_messages([[b"{}"] * 10] * 3, NOBODY, "t", options={"delivery.timeout.ms": "0"}, stop=stop).sent
        )
        ended.set()

    threading.Thread(target=send, daemon=True).start()
    assert not ended.wait(2.0), "it gave up"
    stop.set()
    assert ended.wait(BOUND_S), "it does not stop"
    assert sent == [0], "what nobody acknowledged counts as sent"


def test_a_pace_of_hours_is_left_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    assert send_messages([[b"{}"] * 10], NOBODY, "t", rate_per_s=0.001, stop=stop).sent == 0
    assert time.monotonic() - begun < BOUND_S


def test_without_a_way_to_stop_it_gives_up() -> None:
    with pytest.raises(ServiceUnavailable):
        send_messages([[b"{}"]], NOBODY, "t", options={"delivery.timeout.ms": "500", "linger.ms": "1"})
