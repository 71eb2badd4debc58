"""Measure the whole stream on this machine: rows/s, processor time a row, latency, and what else there is.

.venv/bin/python benchmarks/stream.py
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.baselines.measure import measure_baselines
from benchmarks.figures import RunFigures, as_json, as_table
from benchmarks.latency import measure_latency
from benchmarks.machine import machine
from benchmarks.rows import real_messages
from benchmarks.stack import Tell, fresh_stack
from benchmarks.throughput import measure_throughput
from netheal.errors import NethealError
from netheal.settings import PROJECT_ROOT
from netheal.telemetry import configure_logging

LATENCY_WARMUP_S = 20.0
EVENTS = PROJECT_ROOT / "var" / "benchmarks" / "events.log"


@dataclass(frozen=True)
class BenchmarkPlan:
    """What one run measures."""

    rows: int
    warmup_batches: int
    rate_per_s: float
    latency_s: float
    baselines: bool


def measure(plan: BenchmarkPlan, messages: Sequence[bytes], tell: Tell) -> RunFigures:
    """One run, on a stack of its own."""
    load = os.getloadavg()[0]
    with fresh_stack(tell) as stack:
        throughput = measure_throughput(stack, messages, plan.rows, plan.warmup_batches, tell)
        tell(f"{throughput.rows_per_s:,.0f} rows/s")
        latency = measure_latency(stack, messages, plan.rate_per_s, LATENCY_WARMUP_S, plan.latency_s, tell)
        tell(f"latency in ms: {latency}")
        tell("stopping the job")
        stack.stop_job()
        return RunFigures(load, throughput, latency, measure_baselines(stack, tell) if plan.baselines else {})


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs; figures are their medians.")] = 3,
    rows: Annotated[int, typer.Option(min=1, help="Rows that are counted, at full backlog.")] = 600_000,
    warmup_batches: Annotated[int, typer.Option(min=1, help="Full micro-batches before them.")] = 2,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)] = PROJECT_ROOT.parent / "shared" / "data",
    rate: Annotated[float, typer.Option(min=1, help="Rows a second while latency is measured.")] = 2_000,
    latency_seconds: Annotated[float, typer.Option(min=1)] = 60,
    skip_baselines: Annotated[bool, typer.Option("--skip-baselines")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure the whole stream on this machine, with everything: broker, Postgres, all sinks, exactly once."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_logging(EVENTS)
    console = Console(stderr=json_output)
    plan = BenchmarkPlan(rows, warmup_batches, rate, latency_seconds, not skip_baselines)
    try:
        console.print("reading real rows")
        messages = real_messages(data)
        console.print(f"{len(messages)} messages of {sum(map(len, messages)) / len(messages):.0f} bytes on average")
        figures = [measure(plan, messages, _teller(console, number, runs)) for number in range(1, runs + 1)]
    except NethealError as error:
        console.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from error
    console.print(as_table(figures))
    if json_output:
        sys.stdout.write(json.dumps(as_json(figures, machine()), ensure_ascii=False) + "\n")


def _teller(console: Console, number: int, runs: int) -> Tell:
    return lambda text: console.print(f"run {number}/{runs}: {text}", highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(main)
