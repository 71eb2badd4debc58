"""How far a run is, on a terminal: a bar of bytes with rows, rows a second, and the time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from netheal.rescoring.plan import RunPlan, RunProgress


class ProgressBar:
    """Shown where `console` is a terminal; elsewhere nothing is."""

    def __init__(self, run_id: str, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[rows_per_s]:,.0f} a second, left"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: TaskID = self._progress.add_task(f"run {run_id}", total=None, rows=0, rows_per_s=0.0)
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more."""
        self._progress.stop()

    def show(self, plan: RunPlan, progress: RunProgress) -> None:
        """Show how far the run is."""
        rows, now = progress.verdicts + progress.rejected, time.monotonic()
        if self._first is None:
            self._first = now, rows
        since, before = self._first
        done = sum(unit.size_bytes for unit in plan.units[: progress.units_done])
        total = sum(unit.size_bytes for unit in plan.units)
        speed = (rows - before) / max(now - since, 1e-3)
        self._progress.update(self._task, completed=done, total=total, rows=rows, rows_per_s=speed)
