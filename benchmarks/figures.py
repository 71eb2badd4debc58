"""The figures of some runs, as a table and as one JSON object, with the median of each."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.processes import ROLES
from benchmarks.throughput import Throughput

_LATENCIES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class RunFigures:
    """One run. `load_average` is the machine's before it: what others did on it makes figures worse."""

    load_average: float
    throughput: Throughput
    latency_ms: dict[str, float]
    baselines: dict[str, float] = field(default_factory=dict)

    @property
    def cpu_us_per_row(self) -> float:
        """Over all processes."""
        return sum(self.throughput.cpu_us_per_row.values())

    def as_json(self) -> dict[str, Any]:
        """All there is, unrounded but for the last digits."""
        return {
            "load_average": round(self.load_average, 2),
            "rows": self.throughput.rows,
            "rejected": self.throughput.rejected,
            "batches": self.throughput.batches,
            "seconds": round(self.throughput.seconds, 3),
            "rows_per_s": round(self.throughput.rows_per_s, 1),
            "cpu_us_per_row": _rounded(self.throughput.cpu_us_per_row),
            "latency_ms": self.latency_ms,
            "baselines": _rounded(self.baselines),
        }


Figure = Callable[[RunFigures], float]


@dataclass(frozen=True)
class Conditions:
    """What was sent, and how: the load's name, the share that is compressed, and the input topic's partitions."""

    load: str
    lz4_share: float
    partitions: int

    def __str__(self) -> str:
        """In one line."""
        return f"load {self.load}, {self.lz4_share:.0%} of it lz4, input partitions: {self.partitions}"


def as_table(runs: Sequence[RunFigures], conditions: Conditions) -> Table:
    """A row a figure, a column a run, and the median."""
    table = Table(title=f"The stream with everything, on this machine\n{conditions}")
    table.add_column("figure")
    for number in range(1, len(runs) + 1):
        table.add_column(f"run {number}", justify="right")
    table.add_column("median", justify="right", style="bold")
    for name, figure in _figures(runs[0]).items():
        values = [figure(run) for run in runs]
        table.add_row(name, *(f"{value:,.1f}" for value in (*values, median(values))))
    return table


def as_json(runs: Sequence[RunFigures], conditions: Conditions) -> dict[str, Any]:
    """What was sent, medians, and the raw figures of each run."""
    return {
        **asdict(conditions),
        "rows_per_s": round(median(run.throughput.rows_per_s for run in runs), 1),
        "cpu_us_per_row": _medians([run.throughput.cpu_us_per_row for run in runs]),
        "cpu_us_per_row_total": round(median(run.cpu_us_per_row for run in runs), 2),
        "latency_ms": _medians([run.latency_ms for run in runs]),
        "baselines": _medians([run.baselines for run in runs]),
        "runs": [run.as_json() for run in runs],
    }


def _figures(first: RunFigures) -> dict[str, Figure]:
    """What there is to show, in order."""
    figures: dict[str, Figure] = {
        "rows counted": lambda run: run.throughput.rows,
        "rejected, %": lambda run: 100 * run.throughput.rejected / run.throughput.rows,
        "rows/s": lambda run: run.throughput.rows_per_s,
        "CPU µs a row, all": lambda run: run.cpu_us_per_row,
    }
    figures |= {f"CPU µs a row, {role}": _cpu_of(role) for role in ROLES}
    figures |= {f"latency {name}, ms": _latency_of(name) for name in _LATENCIES}
    for name in first.baselines:
        figures[f"{name}, rows/s"] = _baseline_of(name)
        figures[f"times {name}"] = _times(name)
    figures["load average before"] = lambda run: run.load_average
    return figures


def _cpu_of(role: str) -> Figure:
    return lambda run: run.throughput.cpu_us_per_row[role]


def _latency_of(name: str) -> Figure:
    return lambda run: run.latency_ms[name]


def _baseline_of(name: str) -> Figure:
    return lambda run: run.baselines[name]


def _times(name: str) -> Figure:
    return lambda run: run.throughput.rows_per_s / run.baselines[name]


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(run[name] for run in runs), 2) for name in runs[0]}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}
