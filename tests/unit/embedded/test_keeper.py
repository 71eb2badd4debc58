"""A child is kept up for as long as it takes, and let alone as soon as that is asked."""

import threading
from collections.abc import Callable, Iterator

import psycopg2.errors
import pytest

from netheal.embedded import keeper as keeping
from netheal.embedded.child import Cancelled
from netheal.embedded.keeper import Keepable, Keeper
from netheal.errors import NethealError, ServiceUnavailable, StreamRefused

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

    def kept(self) -> Keepable:
        return Keepable("the sample", self.start, lambda: self.up, lambda: self.refuses)


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def failures() -> list[NethealError]:
    return []


@pytest.fixture
def keeper(sample: Sample, failures: list[NethealError], monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(keeping, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(keeping, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(keeping, "_LOOK_S", 0.01)
    made = Keeper(sample.kept(), failures.append)
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
    keeper: Keeper, sample: Sample, failures: list[NethealError], eventually: Eventually, error: Exception
) -> None:
    keeper.start()
    assert keeper.wait_ready(30) and keeper.ready
    sample.error = error
    sample.up = False
    eventually(lambda: sample.starts > 20)
    assert keeper.condition.stage == "down" and "No space left" in keeper.condition.reason and not keeper.ready
    sample.error = None
    eventually(lambda: keeper.ready)
    assert failures == []


def test_one_that_never_came_up_is_a_failure(
    keeper: Keeper, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    sample.error = ServiceUnavailable("wrong version")
    keeper.start()
    eventually(lambda: bool(failures))
    assert failures == [sample.error] and keeper.condition.stage == "failed"
    keeper.join(10)
    assert sample.starts == 1


def test_a_first_start_with_an_unexpected_error_is_tried_again(
    keeper: Keeper, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    sample.error = ValueError("odd")
    keeper.start()
    eventually(lambda: sample.starts > 2)
    eventually(lambda: (keeper.condition.stage, keeper.condition.reason) == ("down", "ValueError: odd"))
    sample.error = None
    eventually(lambda: keeper.ready)
    assert failures == []


def test_one_that_refuses_is_not_started_again(
    keeper: Keeper, sample: Sample, failures: list[NethealError], eventually: Eventually
) -> None:
    keeper.start()
    assert keeper.wait_ready(30)
    sample.refuses = StreamRefused("adopt the topic")
    sample.up = False
    eventually(lambda: bool(failures))
    keeper.join(10)
    assert failures == [sample.refuses] and sample.starts == 1


def test_a_start_that_hangs_ends_when_asked(keeper: Keeper, sample: Sample, eventually: Eventually) -> None:
    sample.hangs = True
    keeper.start()
    eventually(lambda: sample.starts == 1)
    keeper.end()
    keeper.join(30)
    assert not keeper._thread.is_alive()
    assert sample.starts == 1
