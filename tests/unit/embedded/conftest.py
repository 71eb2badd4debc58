"""Waiting for a condition with a deadline, and children that are a line of Python."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netheal.embedded.child import Child, Command

Eventually = Callable[[Callable[[], bool]], None]
MakeChild = Callable[[str], Child]


@pytest.fixture
def eventually() -> Eventually:
    def wait(condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
        limit = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < limit, "the condition did not come to hold"
            time.sleep(0.02)

    return wait


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    """A child that runs the given Python."""
    made: list[Child] = []

    def make(code: str) -> Child:
        argv = (sys.executable, "-u", "-c", code)
        made.append(Child(Command("sample", argv, log=tmp_path / "sample.log", record=tmp_path / "sample.json")))
        return made[-1]

    yield make
    for child in made:
        child.kill()
