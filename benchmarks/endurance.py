"""Measure whether cost, memory and latency stay what they are over a long time at a steady rate.

.venv/bin/python benchmarks/endurance.py
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.command import exit_on_failure, open_console, write_json
from benchmarks.disk import Sent, limit_topics, needed, require_room, used
from benchmarks.latency import latency_percentiles, run_from_now
from benchmarks.ledger import closed_batches, require_rows
from benchmarks.load_feed import LoadFeed
from benchmarks.postgres_rows import remove_rows
from benchmarks.processes import ROLES, CpuSampler, family, proportional_mib
from benchmarks.rows import produce_backlog, real_messages
from benchmarks.stack import Tell, fresh_stack, wait_drained
from netheal.cli.readback import Outputs, Run, output_messages
from netheal.cli.status import StatusReader
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable
from netheal.kafka.offsets import Offsets
from netheal.settings import PROJECT_ROOT, load_settings
from netheal.store.database import transaction
from netheal.store.topics import done_offsets, lag_rows

FIRST_ROWS = 50_000
"""Drained before the clock starts, so that the job and its workers are there."""
_LATENCY_S = 5.0
_MEMORY_EVERY_S = 10.0
_POLL_INTERVAL_S = 0.2
_PATIENCE_S = 60.0
_SAMPLED_S = 1.0
"""Until the sampler of processor time has seen an instant that is now."""


@dataclass(frozen=True)
class EndurancePlan:
    """What is sent, for how long that is measured, and how long an interval is."""

    rate_per_s: float
    settle_s: float
    """Of rows at the same rate before the first interval, as Java compiles and heaps grow at first."""
    seconds: float
    interval_s: float
    lz4_share: float
    empty_postgres: bool
    """Whether Postgres loses its rows after each interval."""

    @property
    def rows(self) -> int:
        """How many are sent."""
        return round(self.rate_per_s * (self.settle_s + self.seconds))


@dataclass(frozen=True)
class Interval:
    """What was measured until `until_s`, seconds since the first interval began.

    `rows` went through every sink, `lag` were left at its end. `memory_mib` is the mean of the proportional memory
    (PSS), `latency_ms` that of the rows sent in its last seconds.
    """

    until_s: float
    rows: int
    lag: int
    cpu_us_per_row: dict[str, float]
    memory_mib: dict[str, float]
    latency_ms: dict[str, float]

    def __str__(self) -> str:
        """In one line."""
        return (
            f"{self.until_s:.0f} s: {self.rows} rows, lag {self.lag}; CPU µs a row {_summed(self.cpu_us_per_row)};"
            f" MiB {_summed(self.memory_mib)}; latency in ms {self.latency_ms}"
        )

    def figures(self) -> dict[str, float]:
        """Name -> value, in the order of a table."""
        return {
            "rows": self.rows,
            "lag, rows": self.lag,
            "CPU µs a row, all": sum(self.cpu_us_per_row.values()),
            **{f"CPU µs a row, {role}": value for role, value in self.cpu_us_per_row.items()},
            "memory, all, MiB": sum(self.memory_mib.values()),
            **{f"memory, {role}, MiB": value for role, value in self.memory_mib.items()},
            **{f"latency {name}, ms": value for name, value in self.latency_ms.items()},
        }


def _summed(by_role: Mapping[str, float]) -> str:
    return f"{sum(by_role.values()):.1f} ({', '.join(f'{role} {value:.1f}' for role, value in by_role.items())})"


class Watch:
    """Measures interval after interval of a stack that is being fed."""

    def __init__(self, stack: LocalStack, feed: LoadFeed, sampler: CpuSampler, tell: Tell) -> None:
        self._stack = stack
        self._feed = feed
        self._sampler = sampler
        self._tell = tell
        self._begun = time.time()

    def intervals(self, plan: EndurancePlan) -> Iterator[Interval]:
        """One after another until everything is sent; raises ServiceUnavailable where the stream does not keep up."""
        begin = self._begun
        latency_s = min(_LATENCY_S, plan.interval_s / 2)
        with closing(StatusReader(self._stack.settings)) as reader:
            for number in range(1, round(plan.seconds / plan.interval_s) + 1):
                end = self._begun + number * plan.interval_s
                memory = self._sampled_until(end - latency_s)
                first = run_from_now(self._stack.settings)
                # No memory is read in these seconds: reading a process's memory stops it.
                self._sleep_until(end)
                at, behind, lag = time.time(), run_from_now(self._stack.settings), reader.lag()
                self._sleep_until(at + _SAMPLED_S)
                self._wait_done(reader, behind.start)
                latency_ms = latency_percentiles(_before(behind, output_messages(self._stack.settings, first)))
                interval = self._measured(begin, at, lag, memory, latency_ms)
                self._tell(str(interval))
                yield interval
                begin = at
                if plan.empty_postgres:
                    remove_rows(self._stack.settings)

    def _wait_done(self, reader: StatusReader, ends: Offsets) -> None:
        """Come back when every row before these offsets is in every sink."""
        limit = time.time() + _PATIENCE_S
        while True:
            with transaction(reader.connection()) as cursor:
                left = lag_rows(ends, done_offsets(cursor, self._stack.settings.stream.input_topic))
            if not left:
                return
            if time.time() > limit:
                raise ServiceUnavailable(f"{left} rows wait for {_PATIENCE_S:.0f} s: lower --rate")
            self._sleep_until(time.time() + _POLL_INTERVAL_S)

    def _measured(
        self, begin: float, end: float, lag: int, memory: list[dict[str, float]], latency_ms: dict[str, float]
    ) -> Interval:
        rows = sum(batch.rows for batch in closed_batches(self._stack.settings) if begin < batch.closed_at <= end)
        if not rows:
            raise ServiceUnavailable("no micro-batch ended in an interval: make it longer, or lower the rate")
        return Interval(
            until_s=end - self._begun,
            rows=rows,
            lag=lag,
            cpu_us_per_row={role: 1e6 * s / rows for role, s in self._sampler.between(begin, end).items()},
            memory_mib={role: mean(sample[role] for sample in memory) for role in ROLES},
            latency_ms=latency_ms,
        )

    def _sampled_until(self, limit: float) -> list[dict[str, float]]:
        """Memory by role, every few seconds and once at least."""
        samples = []
        while True:
            found = family(self._stack.pids)
            samples.append({role: proportional_mib(found[role]) for role in ROLES})
            if time.time() + _MEMORY_EVERY_S >= limit:
                self._sleep_until(limit)
                return samples
            self._sleep_until(time.time() + _MEMORY_EVERY_S)

    def _sleep_until(self, limit: float) -> None:
        """Raises what went wrong with the stack or its feed meanwhile."""
        while (left := limit - time.time()) > 0:
            time.sleep(min(left, _POLL_INTERVAL_S))
            failure = self._stack.failure or self._feed.failure
            if failure is not None:
                raise failure


def _before(run: Run, outputs: Outputs) -> Outputs:
    """Without the rows of a later run."""
    earlier = ~run.of_run(outputs.event_ids)
    return Outputs(outputs.event_ids[earlier], outputs.latency_ms[earlier])


def measure(plan: EndurancePlan, messages: Sequence[bytes], tell: Tell) -> list[Interval]:
    """Run a fresh stack at the rate once its job works; the ledger must have every row in the end."""
    _require_room(plan, messages)
    with fresh_stack(tell) as stack:
        limit_topics(stack.settings)
        produce_backlog(stack.settings, messages, FIRST_ROWS)
        stack.start_job()
        wait_drained(stack, tell)
        feed = LoadFeed(stack.settings, messages, plan.rows, plan.rate_per_s, plan.lz4_share)
        with CpuSampler(stack.pids) as sampler:
            time.sleep(_SAMPLED_S)
            feed.start()
            try:
                time.sleep(plan.settle_s)
                found = list(Watch(stack, feed, sampler, tell).intervals(plan))
            finally:
                feed.stop()
        wait_drained(stack, tell)
        require_rows(closed_batches(stack.settings), FIRST_ROWS + plan.rows, None)
        tell(f"on disk at the end: {used(stack.settings)}")
        return found


def _require_room(plan: EndurancePlan, messages: Sequence[bytes]) -> None:
    mean_bytes = sum(map(len, messages)) / len(messages)
    seconds = plan.settle_s + plan.seconds
    postgres_s = plan.settle_s + plan.interval_s if plan.empty_postgres else seconds
    sent = Sent(plan.rate_per_s, seconds, mean_bytes, plan.lz4_share, postgres_s)
    require_room(Path(tempfile.gettempdir()), needed(sent, load_settings().stream.topic_partitions))


def as_table(intervals: Sequence[Interval], plan: EndurancePlan) -> Table:
    """A row a figure: the first interval, the last, and how many times the first the last is."""
    table = Table("figure", title=f"{plan.rate_per_s:,.0f} rows/s for {plan.seconds:,.0f} s, {plan.lz4_share:.0%} lz4")
    for name in (f"first {plan.interval_s:.0f} s", f"last {plan.interval_s:.0f} s", "last / first"):
        table.add_column(name, justify="right")
    last = intervals[-1].figures()
    for name, value in intervals[0].figures().items():
        ratio = f"{last[name] / value:.2f}" if value else ""
        table.add_row(name, f"{value:,.1f}", f"{last[name]:,.1f}", ratio)
    return table


def main(
    seconds: Annotated[float, typer.Option(min=10, help="How long rows are sent.")] = 3_600,
    rate: Annotated[float, typer.Option(min=1, help="Rows a second.")] = 20_000,
    interval_seconds: Annotated[float, typer.Option(min=10, help="Length of an interval.")] = 300,
    settle_seconds: Annotated[float, typer.Option(min=0, help="Time of the same rate before the first.")] = 120,
    lz4_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that is sent with lz4.")] = 0.0,
    empty_postgres: Annotated[
        bool, typer.Option("--empty-postgres", help="Remove Postgres's rows after each interval, to need less disk.")
    ] = False,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)] = PROJECT_ROOT.parent / "shared" / "data",
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Send real rows at a steady rate, and compare the first interval with the last."""
    console = open_console(json_output)
    if interval_seconds > seconds:
        raise typer.BadParameter("an interval is longer than the whole run: lower --interval-seconds")
    plan = EndurancePlan(rate, settle_seconds, seconds, interval_seconds, lz4_share, empty_postgres)
    load_average = os.getloadavg()[0]
    with exit_on_failure(console):
        messages = real_messages(data)
        intervals = measure(plan, messages, lambda text: console.print(text, highlight=False, markup=False))
    console.print(as_table(intervals, plan))
    if json_output:
        found = [asdict(interval) for interval in intervals]
        document = {**asdict(plan), "intervals": found, "load_average": load_average}
        write_json(document)


if __name__ == "__main__":
    typer.run(main)
