"""Measure `netheal rescore`, CSV to Delta, against pandas and scikit-learn on the same files in the same run.

.venv/bin/python benchmarks/rescore.py --rows 2000000
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.flow_csv import write_flow_files
from benchmarks.machine import machine
from benchmarks.processes import Sampler, resident_mib
from netheal.settings import PROJECT_ROOT

RUN_ID = "benchmark"
_SAMPLE_S = 0.25
_QUARTERS = 4


@dataclass(frozen=True)
class Figures:
    """A program on all the files. `whole_rows_per_s`: from its start to its end.

    `warm_rows_per_s`: without start-up, as the function of that name says; of the plain script, all but its imports.
    `peak_mib`: resident memory of all its processes, and that by quarters of the run.
    """

    rows: int
    seconds: float
    whole_rows_per_s: float
    warm_rows_per_s: float | None
    peak_mib: float
    peak_mib_by_quarter: list[float]


class MemorySampler(Sampler):
    """Notes the resident memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._root = psutil.Process(pid)
        self._mib: list[float] = []

    def peaks(self) -> list[float]:
        """MiB, the highest of each quarter of the time."""
        size = -(-len(self._mib) // _QUARTERS)
        return [round(max(self._mib[at : at + size]), 1) for at in range(0, len(self._mib), size)]

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            try:
                self._mib.append(resident_mib([self._root, *self._root.children(recursive=True)]))
            except psutil.NoSuchProcess:
                return


def run(command: Sequence[str | Path], log: Path) -> tuple[dict[str, Any], float, list[float]]:
    """Run a program to its end: the JSON of its last line, its seconds, and its peaks of memory.

    Raises RuntimeError with the end of what it said where it fails.
    """
    begun = time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=PROJECT_ROOT
        )
        with MemorySampler(process.pid) as sampler:
            said, _ = process.communicate()
    seconds = time.monotonic() - begun
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
    return json.loads(said.splitlines()[-1]), seconds, sampler.peaks()


def measure_netheal(files: Sequence[Path], model: Path, scratch: Path, rows: int) -> Figures:
    """The command as its user runs it, with the model in the place of the active one."""
    output = scratch / "rescored"
    command: list[str | Path] = [
        PROJECT_ROOT / ".venv" / "bin" / "netheal",
        "rescore",
        *files,
        "--output",
        output,
        "--run-id",
        RUN_ID,
    ]
    command += ["--model", model, "--json", "--var", scratch / "var"]
    found, seconds, peaks = run(command, scratch / "netheal.log")
    counted = found["verdicts"] + found["rejected"]
    if counted != rows:
        raise RuntimeError(f"of {rows} rows {counted} are in the tables")
    return Figures(rows, seconds, rows / seconds, warm_rows_per_s(output), max(peaks), peaks)


def warm_rows_per_s(output: Path) -> float | None:
    """Rows a second from the moment when every processor has written its first part to the last commit.

    Rows of parts that were there by then are not counted. None where there are too few parts.
    """
    logs = list(output.glob("*/_delta_log/*.json"))
    parts = sorted(part for log in logs for part in _parts_added(log))
    first = len(os.sched_getaffinity(0))
    if len(parts) < 2 * first:
        return None
    begin, end = parts[first - 1][0], max(log.stat().st_mtime for log in logs)
    return sum(rows for written, rows in parts if written > begin) / (end - begin)


def _parts_added(log: Path) -> Iterator[tuple[float, int]]:
    """When each part of a commit was written, and its rows."""
    for line in log.read_text().splitlines():
        if (added := json.loads(line).get("add")) is not None:
            part = log.parents[1] / unquote(added["path"])
            yield part.stat().st_mtime, json.loads(added["stats"])["numRecords"]


def measure_pandas(files: Sequence[Path], model: Path, scratch: Path, rows: int) -> Figures:
    """The plain script; warm is all but its start-up."""
    script = [sys.executable, "-m", "benchmarks.baselines.pandas_sklearn"]
    command: list[str | Path] = [*script, *files, "--model", model, "--output", scratch / "pandas"]
    found, seconds, peaks = run(command, scratch / "pandas.log")
    if found["rows"] != rows:
        raise RuntimeError(f"of {rows} rows pandas read {found['rows']}")
    return Figures(rows, seconds, rows / seconds, rows / found["seconds"], max(peaks), peaks)


def as_table(found: dict[str, Figures]) -> Table:
    """A column a program."""
    table = Table("figure", *found, title="CSV to Delta, on this machine")
    lines: dict[str, Callable[[Figures], str]] = {
        "rows": lambda one: f"{one.rows:,}",
        "rows/s, warm": lambda one: "-" if one.warm_rows_per_s is None else f"{one.warm_rows_per_s:,.0f}",
        "rows/s, whole": lambda one: f"{one.whole_rows_per_s:,.0f}",
        "seconds": lambda one: f"{one.seconds:,.1f}",
        "peak memory, MiB": lambda one: f"{one.peak_mib:,.0f}",
        "… by quarters": lambda one: " ".join(f"{mib:,.0f}" for mib in one.peak_mib_by_quarter),
    }
    for name, text in lines.items():
        table.add_row(name, *(text(one) for one in found.values()))
    return table


def main(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the input; 10000000 to see whether memory stays flat.")] = (
        2_000_000
    ),
    rows_per_file: Annotated[int, typer.Option(min=1, help="Rows of each CSV file.")] = 250_000,
    model: Annotated[str, typer.Option(help="A starter model of research/models that takes attack/v1.")] = (
        "attack_classifier"
    ),
    skip_pandas: Annotated[bool, typer.Option("--skip-pandas", help="Only netheal.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure rows a second and memory of rescoring CSV files."""
    console = Console(stderr=json_output)
    folder, load = PROJECT_ROOT / "research" / "models" / model, os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="netheal-rescore-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)  # PostgreSQL may run as another user
        files = write_flow_files(scratch / "input", rows, rows_per_file)
        size = sum(file.stat().st_size for file in files)
        console.print(f"{rows:,} rows in {len(files)} files, {size / 2**20:,.0f} MiB (load before {load:.1f})")
        found = {"netheal": measure_netheal(files, folder, scratch, rows)}
        if not skip_pandas:
            found["pandas"] = measure_pandas(files, folder, scratch, rows)
    console.print(as_table(found))
    if json_output:
        document = {"model": model, "load": load, "machine": machine(), **{k: asdict(v) for k, v in found.items()}}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
