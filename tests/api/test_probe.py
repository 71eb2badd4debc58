"""A service that is looked at may hang or be away; whoever asks is answered all the same."""

import threading
from collections.abc import Iterator

import pytest

from api.probe import Probe, Unavailable
from netheal.errors import ServiceUnavailable
from tests.deadlines import DEADLINE_S


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A service that hangs until the event is set."""
    event = threading.Event()
    yield event
    event.set()


def test_a_service_that_hangs_holds_one_thread_and_nobody_up(gate: threading.Event) -> None:
    looks = []

    def hang() -> int:
        looks.append(1)
        gate.wait(DEADLINE_S)
        return 7

    probe = Probe("it", hang)
    assert [probe.ask(0.1) for _ in range(5)] == [Unavailable("it does not answer within 0 s")] * 5, (
        "it waits for the service"
    )
    gate.set()
    assert probe.ask(DEADLINE_S) == 7
    assert len(looks) == 1


def test_one_look_is_shared_for_seconds_and_then_renewed() -> None:
    now, looks = [100.0], []

    def look() -> int:
        looks.append(1)
        if len(looks) == 2:
            raise ServiceUnavailable("gone")
        return len(looks)

    probe = Probe("it", look, clock=lambda: now[0])
    assert [probe.ask(), probe.ask()] == [1, 1]
    now[0] += 4
    assert probe.ask() == Unavailable("gone")
    now[0] += 4
    assert probe.ask() == 3


def test_a_thread_that_cannot_start_now_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Probe("it", lambda: 7)
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", cannot_start)
        for _ in range(2):
            with pytest.raises(ServiceUnavailable, match="can't start new thread"):
                probe.ask(DEADLINE_S)
    assert probe.ask(DEADLINE_S) == 7


def cannot_start(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
