"""Measure how long `netheal up` takes from an empty folder to the first batch whose verdicts are committed.

.venv/bin/python benchmarks/cold_start.py
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import machine
from netheal.settings import PROJECT_ROOT

_POLL_INTERVAL_S = 0.05
_PATIENCE_S = 300.0
_STOP_S = 60.0


def measure(scratch: Path) -> float:
    """Seconds from the command to the first committed verdicts; the stack is stopped afterwards."""
    log = scratch / "var" / "log" / "job.log"
    environment = {**os.environ, "NETHEAL_API_PORT": "0"}
    began = time.monotonic()
    with (scratch / "terminal").open("wb") as terminal:
        process = subprocess.Popen(
            [PROJECT_ROOT / ".venv" / "bin" / "netheal", "up", "--traffic", "generated", "--var", str(scratch / "var")],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
    try:
        while not _has_verdicts(log):
            if process.poll() is not None or time.monotonic() - began > _PATIENCE_S:
                raise RuntimeError(f"no verdict within {_PATIENCE_S:.0f} s: {(scratch / 'terminal').read_text()}")
            time.sleep(_POLL_INTERVAL_S)
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_S)


def _has_verdicts(log: Path) -> bool:
    if not log.is_file():
        return False
    lines = [line for line in log.read_text(errors="replace").splitlines() if '"batch.committed"' in line]
    return any(json.loads(line)["verdicts"] for line in lines if line.endswith("}"))


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs; the figure is their median.")] = 3,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure the time from `netheal up` in an empty folder to the first committed verdicts."""
    console = Console(stderr=json_output)
    found = []
    for number in range(1, runs + 1):
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="netheal-cold-") as folder:
            Path(folder).chmod(0o755)  # PostgreSQL may run as another user
            found.append(measure(Path(folder)))
        console.print(f"run {number}/{runs}: first verdicts after {found[-1]:.1f} s (load before {load:.1f})")
    console.print(f"median {statistics.median(found):.1f} s")
    if json_output:
        document = {"seconds": found, "median_s": statistics.median(found), "machine": machine()}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
