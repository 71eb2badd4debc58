"""What an operator is told of a micro-batch that fails: which, where, how often, and why, in one sentence each."""

import pytest

from jobs.stages.batch_attempt import TRIES_BEFORE_ALARM, Attempt, BatchFailed, cause_of
from netheal.errors import ServiceUnavailable
from netheal.store.ledger import BatchPins


def attempt(number: int, **partitions: tuple[int, int]) -> Attempt:
    names = {name.removeprefix("p"): ends for name, ends in partitions.items()}
    starts, ends = ({name: pair[at] for name, pair in names.items()} for at in (0, 1))
    return Attempt(17, number, BatchPins("flows", "id", starts, ends, {}, "v"))


def test_the_batch_its_offsets_the_times_and_the_reason_are_told() -> None:
    failing = attempt(TRIES_BEFORE_ALARM, p1=(50, 60), p0=(100, 200), p2=(5, 5))
    assert failing.describe("OverflowError: date value out of range.") == (
        "Micro-batch 17 (partition 0, offsets 100 to 199; partition 1, offsets 50 to 59) has failed 3 times:"
        " OverflowError: date value out of range. It is tried again at least every 30 s, and nothing behind it is"
        " scored until it succeeds: put right what the reason names; the job's log has the whole error."
    )
    assert failing.details() == {
        "batch_id": 17,
        "offsets": [{"partition": 0, "start": 100, "end": 200}, {"partition": 1, "start": 50, "end": 60}],
        "attempts": 3,
    }


def test_a_first_failure_is_told_shortly() -> None:
    told = str(BatchFailed(attempt(1, p0=(0, 1)), "Postgres does not answer"))
    assert told == (
        "Micro-batch 17 (partition 0, offsets 0 to 0) has failed once: Postgres does not answer. It is tried again."
    )


def test_a_wide_batch_is_told_in_short_and_kept_whole() -> None:
    wide = attempt(1, **{f"p{at}": (0, 2) for at in range(1_000)})
    assert "partition 3, offsets 0 to 1; 996 more partitions)" in wide.describe("x")
    assert len(wide.details()["offsets"]) == 1_000
    assert attempt(1, p0=(0, 2), p7=(0, 0)).describe("x").count("partition") == 1


IN_WORKER = """
An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "score_task.py", line 78, in __call__
    except KeyError as failure:
  File "<array_function internals>", line 200, in concat
    rows: pa.Table = batch
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "delta_part.py", line 46, in write
    raise kind(text)
{}
"""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ServiceUnavailable("Postgres does not answer: no route"), "Postgres does not answer: no route"),
        (ValueError("bad\nsecond line"), "ValueError: bad"),
        (ValueError("a: b"), "a: b"),
        (ValueError(), "ValueError"),
        (
            RuntimeError(IN_WORKER.format("OverflowError: out of range")),
            "OverflowError: out of range",
        ),
        (RuntimeError(IN_WORKER.format("pyarrow.lib.ArrowInvalid: no: such\ncolumn: int64")), "ArrowInvalid: no: such"),
        (RuntimeError(IN_WORKER.format("netheal.errors.ServiceUnavailable: it is away")), "it is away"),
        (RuntimeError(IN_WORKER.format("MemoryError")), "RuntimeError: MemoryError"),
        (RuntimeError("a\0b\ud800"), "RuntimeError: a\ufffdb?"),
    ],
)
def test_the_cause_is_one_line_that_can_be_stored(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


def test_a_cause_is_short() -> None:
    assert len(cause_of(ValueError("x" * 10_000))) <= 500
