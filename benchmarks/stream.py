"""Measure the whole stream on this machine: rows/s, processor time a row, latency, and what else there is.

.venv/bin/python benchmarks/stream.py
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.baselines.measure import measure_baselines
from benchmarks.command import exit_on_failure, open_console, write_json
from benchmarks.figures import Conditions, RunFigures, as_json, as_table
from benchmarks.latency import latency_rows, measure_latency
from benchmarks.ledger import closed_batches, require_rows
from benchmarks.loads import Load, LoadName, read_load
from benchmarks.stack import Tell, fresh_stack
from benchmarks.throughput import measure_throughput
from netheal.settings import PROJECT_ROOT, load_settings

LATENCY_WARMUP_S = 20.0


@dataclass(frozen=True)
class BenchmarkPlan:
    """What one run measures."""

    rows: int
    warmup_batches: int
    rate_per_s: float
    latency_s: float
    baselines: bool
    lz4_share: float
    partitions: int


def measure(plan: BenchmarkPlan, load: Load, tell: Tell) -> RunFigures:
    """One run, on a stack of its own."""
    load_average = os.getloadavg()[0]
    with fresh_stack(tell, plan.partitions) as stack:
        throughput = measure_throughput(stack, load, plan.rows, plan.warmup_batches, plan.lz4_share, tell)
        tell(f"{throughput.rows_per_s:,.0f} rows/s")
        before = closed_batches(stack.settings)
        timing = (plan.rate_per_s, LATENCY_WARMUP_S, plan.latency_s)
        latency = measure_latency(stack, load.messages, *timing, tell, plan.lz4_share)
        tell(f"latency in ms: {latency}")
        sent = latency_rows(*timing)
        require_rows(closed_batches(stack.settings)[len(before) :], sent, load.broken_in(sent))
        tell("stopping the job")
        stack.stop_job()
        return RunFigures(load_average, throughput, latency, measure_baselines(stack, tell) if plan.baselines else {})


def main(
    runs: Annotated[int, typer.Option(min=1, help="Runs; figures are their medians.")] = 3,
    rows: Annotated[int, typer.Option(min=1, help="Rows that are counted, at full backlog.")] = 600_000,
    warmup_batches: Annotated[int, typer.Option(min=1, help="Full micro-batches before them.")] = 2,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)] = PROJECT_ROOT.parent / "shared" / "data",
    rate: Annotated[float, typer.Option(min=1, help="Rows a second while latency is measured.")] = 2_000,
    latency_seconds: Annotated[float, typer.Option(min=1)] = 60,
    load: Annotated[LoadName, typer.Option(help="What is sent: real rows of attack/v1, or both contracts.")] = (
        LoadName.REAL
    ),
    lz4_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that is sent with lz4.")] = 0.0,
    partitions: Annotated[int, typer.Option(min=0, help="Of the input topic; 0: as the settings say.")] = 0,
    skip_baselines: Annotated[bool, typer.Option("--skip-baselines")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure the whole stream on this machine, with everything: broker, Postgres, all sinks, exactly once."""
    console = open_console(json_output)
    if not skip_baselines and (load is not LoadName.REAL or lz4_share):
        raise typer.BadParameter("the baselines take uncompressed rows of attack/v1 only: add --skip-baselines")
    with exit_on_failure(console):
        partitions = partitions or load_settings().stream.topic_partitions
        plan = BenchmarkPlan(rows, warmup_batches, rate, latency_seconds, not skip_baselines, lz4_share, partitions)
        console.print("reading real rows")
        sent = read_load(load, data)
        mean_bytes = sum(map(len, sent.messages)) / len(sent.messages)
        console.print(f"{len(sent.messages)} messages of {mean_bytes:.0f} bytes on average")
        figures = [measure(plan, sent, _teller(console, number, runs)) for number in range(1, runs + 1)]
    conditions = Conditions(load.value, lz4_share, partitions)
    console.print(as_table(figures, conditions))
    if json_output:
        write_json(as_json(figures, conditions))


def _teller(console: Console, number: int, runs: int) -> Tell:
    return lambda text: console.print(f"run {number}/{runs}: {text}", highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(main)
