"""Children that are a line of Python."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netheal.host.child import Child, Command

MakeChild = Callable[[str], Child]


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
