"""What is said when the confined process does not answer."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

import pytest

from netheal.bundles.intake.confined_process import run_confined

WORK = "tests.unit.bundles.intake.odd_work"


@pytest.fixture
def source() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(b"some bytes")
        file.flush()
        yield file


def test_it_gives_its_answer(source: IO[bytes]) -> None:
    outcome = run_confined(WORK, source, [b"well"], "reading the file", 60)
    assert ([bytes(frame) for frame in outcome.frames], outcome.failure) == ([b"some bytes"], "")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("memory", "reading the file takes more than 1024 MB of memory"),
        ("abort", "reading the file takes more than 1024 MB of memory"),
        ("spin", "reading the file takes more than 8 s of computing"),
        ("killed", "was stopped by the system: it takes more than 8 s of computing, or memory has run out"),
        ("error", "reading the file failed (ValueError: it is odd): it was refused"),
        ("exit", "reading the file failed (status 7): it was refused"),
        ("half", "left no whole answer"),
    ],
)
def test_a_failure_has_its_true_reason(source: IO[bytes], way: str, words: str) -> None:
    outcome = run_confined(WORK, source, [way.encode()], "reading the file", 60)
    assert words in outcome.failure
    assert outcome.frames == []


def test_the_system_says_that_time_is_up_before_it_kills() -> None:
    code = (
        "from netheal.bundles.intake import confinement; confinement.CPU_S = 1; confinement.set_limits()\n"
        "while True: pass"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == -signal.SIGXCPU
