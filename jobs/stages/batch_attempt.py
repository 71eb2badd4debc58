"""What is told of a micro-batch that does not succeed: which one, which offsets, how often, and why."""

import re
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

from netheal.errors import NethealError
from netheal.store.ledger import BatchPins

TRIES_BEFORE_ALARM = 3
"""One failure may be a service that went away; a batch that failed this often most likely fails on what it holds."""

_MOST_RANGES = 4
_MOST_CHARS = 500
_TRACEBACK = "Traceback (most recent call last):"
_FINAL_LINE = re.compile(r"^(?:[\w.]+\.)?(\w+): (.+)$")
_UNNAMED = ("ServiceUnavailable", "Exception")
"""Classes whose name says nothing beside their message."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a micro-batch; `number` counts from 1, over restarts of the job."""

    batch_id: int
    number: int
    pins: BatchPins

    def details(self) -> dict[str, Any]:
        """The batch in the form of `StreamState.details`."""
        return {"batch_id": self.batch_id, "offsets": self._ranges(), "attempts": self.number}

    def describe(self, failure: str) -> str:
        """What an operator is told of a failed attempt."""
        times = "once" if self.number == 1 else f"{self.number} times"
        told = f"Micro-batch {self.batch_id} ({self._where()}) has failed {times}: {failure.rstrip('.')}."
        if self.number < TRIES_BEFORE_ALARM:
            return f"{told} It is tried again."
        return (
            f"{told} It is tried again at least every 30 s, and nothing behind it is scored until it succeeds: put"
            " right what the reason names; the job's log has the whole error."
        )

    def _ranges(self) -> list[dict[str, int]]:
        starts = self.pins.start_offsets
        ranges = [
            {"partition": int(partition), "start": starts.get(partition, 0), "end": end}
            for partition, end in sorted(self.pins.end_offsets.items(), key=lambda item: int(item[0]))
        ]
        return [r for r in ranges if r["start"] < r["end"]]

    def _where(self) -> str:
        ranges = self._ranges()
        told = [f"partition {r['partition']}, offsets {r['start']} to {r['end'] - 1}" for r in ranges[:_MOST_RANGES]]
        more = len(ranges) - len(told)
        return "; ".join([*told, f"{more} more partitions"] if more > 0 else told)


class BatchFailed(NethealError):
    """An attempt at a micro-batch failed: begin the stream again, which replays the batch."""

    def __init__(self, attempt: Attempt, failure: str) -> None:
        super().__init__(attempt.describe(failure))
        self.attempt = attempt


def cause_of(error: BaseException) -> str:
    """One line that says why, of an error whose text may be a page of stack traces of two languages.

    It can be stored: Postgres has no NUL, and UTF-8 no lone surrogate.
    """
    return _cause_of(error).replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_MOST_CHARS]


def _cause_of(error: BaseException) -> str:
    line = _line_that_counts(_text_of(error))
    if isinstance(error, NethealError) or not line:
        return line or type(error).__name__
    found = _FINAL_LINE.match(line)
    if found is None:
        return f"{type(error).__name__}: {line}"
    name, message = found.groups()
    return message if name in _UNNAMED else f"{name}: {message}"


def _line_that_counts(text: str) -> str:
    """The first line, or of a Python traceback the one that names the exception: the first that is not indented."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    traces = [at for at, line in enumerate(lines) if line.endswith(_TRACEBACK)]
    after = lines[traces[-1] + 1 :] if traces else lines
    return next((line for line in after if not line[0].isspace()), lines[0] if lines else "").strip()


def _text_of(error: BaseException) -> str:
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.toString())
    return str(error)
