"""A child is kept up for as long as it takes, and let alone as soon as that is asked."""

import threading
from collections.abc import Callable, Iterator

import psycopg2.errors
import pytest

from netheal.embedded import supervisor as keeping
from netheal.embedded.supervisor import SupervisedChild, Supervisor
from netheal.errors import NethealError, ServiceUnavailable, StreamRefused
from netheal.host.child import Cancelled

Eventually = Callable[[Callable[[], object]], None]


class Sample:
    """A child that starts, fails and dies as it is told."""

    def __init__(self) -> None:
        self.starts = 0
        self.up = False
        self.hangs = False
        self.error: Exception | None = None
        self.refuses: NethealError | None = None

    def start(self, cancelled: threading.Event) -> None:
        self.starts += 1
        if self.hangs:
            cancelled.wait()
            raise Cancelled("asked to stop")
        if self.error is not None:
            raise self.error
        self.up = True

    def kept(self) -> SupervisedChild:
        return SupervisedChild("the sample", self.start, lambda: self.up, lambda: self.refuses)


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def failures() -> list[NethealError]:
    return []


@pytest.fixture
def supervisor(sample: Sample, failures: list[NethealError], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(keeping, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(keeping, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(keeping, "_POLL_INTERVAL_S", 0.01)
    made = Supervisor(sample.kept(), failures.append)
    yield made
    made.end()
    made.join(10)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        ServiceUnavailable("No space left"),
        psycopg2.errors.DiskFull("No space left"),
        psycopg2.InternalError("No space left"),
    ],
)
def test_it_is_tried_again_until_it_comes_back(
    supervisor: Supervisor, sample: Sample, failures: list[NethealError], eventually: Eventually, error: Exception
) -> None:
    supervisor.start()
    assert supervisor.wait_ready(30) and supervisor.ready
    sample.error = error
    sample.up = False
    eventually(lambda: sample.starts > 20)
    assert (
        supervisor.condition.stage == "down" and "No space left" in supervisor.condition.reason and not supervisor.ready
    )
    sample.error = None
    eventually(lambda: supervisor.ready)
    assert failures == []


def test_one_that_never_came_up_is_a_failure(
    supervisor: Supervisor, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    sample.error = ServiceUnavailable("wrong version")
    supervisor.start()
    eventually(lambda: bool(failures))
    assert failures == [sample.error] and supervisor.condition.stage == "failed"
    supervisor.join(10)
    assert sample.starts == 1


def test_a_first_start_with_an_unexpected_error_is_tried_again(
    supervisor: Supervisor, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    sample.error = ValueError("odd")
    supervisor.start()
    eventually(lambda: sample.starts > 2)
    eventually(lambda: (supervisor.condition.stage, supervisor.condition.reason) == ("down", "ValueError: odd"))
    sample.error = None
    eventually(lambda: supervisor.ready)
    assert failures == []


def test_one_that_refuses_is_not_started_again(
    supervisor: Supervisor, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    supervisor.start()
    assert supervisor.wait_ready(30)
    sample.refuses = StreamRefused("adopt the topic")
    sample.up = False
    eventually(lambda: bool(failures))
    supervisor.join(10)
    assert failures == [sample.refuses] and sample.starts == 1


def test_a_start_that_hangs_ends_when_asked(supervisor: Supervisor, sample: Sample, eventually: Eventually) -> None:
    sample.hangs = True
    supervisor.start()
    eventually(lambda: sample.starts == 1)
    supervisor.end()
    supervisor.join(30)
    assert not supervisor._thread.is_alive()
    assert sample.starts == 1
