"""Measure whether the driver's memory stays flat at a steady rate.

.venv/bin/python benchmarks/memory.py --minutes 30
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from benchmarks.command import exit_on_failure, open_console, write_json
from benchmarks.processes import ROLES, family, resident_mib
from benchmarks.rows import produce_backlog, real_messages, repeated
from benchmarks.stack import Tell, fresh_stack, wait_drained
from netheal.cli.feed import TrafficFeed
from netheal.embedded.stack import LocalStack
from netheal.settings import PROJECT_ROOT

DRIVER = ("driver", "jvm")
FIRST_ROWS = 50_000
"""Drained before the clock starts, so that the job and its workers are there."""
_SAMPLE_S = 5.0
_LINE_S = 60.0

Samples = list[dict[str, float]]
"""MiB by role, and `minute`, the time since the first sample."""


def watch(stack: LocalStack, feed: TrafficFeed, tell: Tell) -> Samples:
    """Resident memory of each role every few seconds until the feed ends; driver is the Python and the JVM."""
    samples: Samples = []
    begun, line_due = time.monotonic(), 0.0
    while not feed.done:
        if stack.failure is not None:
            raise stack.failure
        found = {role: resident_mib(processes) for role, processes in family(stack.pids).items()}
        elapsed_s = time.monotonic() - begun
        samples.append({"minute": elapsed_s / 60, **found, "whole driver": sum(found[role] for role in DRIVER)})
        if elapsed_s >= line_due:
            tell(f"minute {elapsed_s / 60:.0f}: driver {samples[-1]['whole driver']:.0f} MiB")
            line_due += _LINE_S
        time.sleep(max(0.0, begun + len(samples) * _SAMPLE_S - time.monotonic()))
    if feed.failure is not None:
        raise feed.failure
    return samples


def figures(samples: Samples) -> Iterator[tuple[str, dict[str, float]]]:
    """Role -> first and last MiB, and MiB a minute by least squares over all samples and over the second half."""
    minutes = np.array([sample["minute"] for sample in samples])
    half = len(samples) // 2
    for role in ("whole driver", *ROLES):
        mib = np.array([sample[role] for sample in samples])
        yield (
            role,
            {
                "first_mib": round(float(mib[0]), 1),
                "last_mib": round(float(mib[-1]), 1),
                "mib_per_minute": round(float(np.polyfit(minutes, mib, 1)[0]), 3),
                "mib_per_minute_second_half": round(float(np.polyfit(minutes[half:], mib[half:], 1)[0]), 3),
            },
        )


def as_table(found: dict[str, dict[str, float]]) -> Table:
    """A row a role."""
    table = Table("process", "first, MiB", "last, MiB", "MiB a minute", "… in the second half", title="Resident memory")
    for role, values in found.items():
        table.add_row(role, *(f"{value:,.2f}" for value in values.values()))
    return table


def measure(minutes: float, rate_per_s: float, settle_s: float, messages: list[bytes], tell: Tell) -> Samples:
    """Run a fresh stack at the rate, once its job works: for `settle_s` unwatched, then for `minutes` watched."""
    with fresh_stack(tell) as stack:
        produce_backlog(stack.settings, messages, FIRST_ROWS)
        stack.start_job()
        wait_drained(stack, tell)
        rows = round(rate_per_s * (settle_s + minutes * 60))
        feed = TrafficFeed(stack.settings, repeated(messages, rows), rate_per_s)
        feed.start()
        try:
            tell(f"sending {rate_per_s:.0f} rows/s; watching after {settle_s:.0f} s, for {minutes:g} minutes")
            time.sleep(settle_s)
            samples = watch(stack, feed, tell)
        finally:
            feed.stop()
        wait_drained(stack, tell)
        return samples


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long memory is watched.")] = 30,
    rate: Annotated[float, typer.Option(min=1, help="Rows a second.")] = 5_000,
    settle_seconds: Annotated[float, typer.Option(min=0, help="Time before the first sample.")] = 120,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)] = PROJECT_ROOT.parent / "shared" / "data",
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Watch the driver's memory at a steady rate."""
    console = open_console(json_output)
    with exit_on_failure(console):
        samples = measure(minutes, rate, settle_seconds, real_messages(data), console.print)
    found = dict(figures(samples))
    console.print(as_table(found))
    if json_output:
        document = {"memory": found, "rows_per_s": rate, "samples": samples}
        write_json(document)


if __name__ == "__main__":
    typer.run(main)
