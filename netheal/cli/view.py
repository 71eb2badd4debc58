"""The live terminal view of `netheal up`."""

import time
from collections import deque

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from netheal.cli.status import Status
from netheal.contracts import attack_classes

_WINDOW_S = 10.0


class LiveView:
    """Turns status after status into what a person sees; `state` is a word or two on what goes on."""

    def __init__(self) -> None:
        self.state = "starting"
        self._seen: deque[tuple[float, int, int]] = deque()
        self._status = Status()

    def update(self, status: Status) -> None:
        """Take in a new status."""
        self._status = status
        self._seen.append((time.monotonic(), status.total("prediction"), status.total("rejected")))
        while len(self._seen) > 2 and self._seen[-1][0] - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()

    @property
    def verdicts_per_s(self) -> float:
        """Verdicts a second over the last ten seconds."""
        if len(self._seen) < 2:
            return 0.0
        (first_at, first, _), (last_at, last, _) = self._seen[0], self._seen[-1]
        return (last - first) / max(last_at - first_at, 1e-9)

    def line(self) -> str:
        """Everything in one line, where there is no terminal."""
        status = self._status
        attacks = status.counts.get("prediction", {}).get("attack", 0)
        return (
            f"{self.state}: {status.total('prediction') + status.total('rejected')} rows in,"
            f" {self.verdicts_per_s:.0f} verdicts/s, {attacks} attacks, {status.total('rejected')} rejected,"
            f" lag {status.lag}"
        )

    def __rich__(self) -> RenderableType:
        """The whole view."""
        tables = Table.grid(expand=True, padding=(0, 1))
        for _ in range(3):
            tables.add_column(ratio=1)
        classes = dict(self._status.counts.get("class", {}))
        benign = classes.pop(attack_classes().benign, 0)
        threats = self._status.counts.get("threat", {}).get("attack", 0)
        tables.add_row(
            _counted("Attacks by class", classes | ({"threat detector": threats} if threats else {}), "none yet"),
            _counted("Healing actions", self._status.counts.get("action", {}), "none yet"),
            _counted("Rejected rows", self._status.counts.get("rejected", {}), "none"),
        )
        return Panel(Group(self._head(benign), tables), title="netheal", subtitle="Ctrl-C drains and stops")

    def _head(self, benign: int) -> RenderableType:
        status = self._status
        head = Table.grid(expand=True)
        for _ in range(4):
            head.add_column(ratio=1)
        rows_in = status.total("prediction") + status.total("rejected")
        head.add_row(
            f"[b]{rows_in:,}[/b] rows in",
            f"[b]{self.verdicts_per_s:,.0f}[/b] verdicts/s",
            f"[b]{status.lag:,}[/b] rows lag",
            f"[b]{self.state}[/b]",
        )
        head.add_row(
            f"{benign:,} benign",
            f"{status.batches:,} micro-batches",
            f"last {status.last_batch_rows:,} rows in {status.last_batch_s:.2f} s",
            ", ".join(status.models) or "no active model",
        )
        return head


def _counted(title: str, counts: dict[str, int], empty: str) -> Table:
    table = Table(title=title, expand=True, show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, n in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{n:,}")
    if not counts:
        table.add_row(f"[dim]{empty}[/dim]", "")
    return table
