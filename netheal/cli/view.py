"""The live terminal view of `netheal up`."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from netheal.cli.status import Status


class LiveView:
    """Turns status after status into what a person sees; `state` is a word or two on what goes on."""

    def __init__(self) -> None:
        self.state = "starting"
        self._status = Status()

    def update(self, status: Status) -> None:
        """Take in a new status."""
        self._status = status

    def line(self) -> str:
        """Everything in one line, where there is no terminal."""
        status, rows = self._status, self._status.rows
        return (
            f"{self.state}: {rows.predictions + rows.rejected} rows in, {status.verdicts_per_s:.0f} verdicts/s,"
            f" {rows.attacks} attacks, {rows.normal} normal, {rows.rejected} rejected, lag {status.lag}"
        )

    def __rich__(self) -> RenderableType:
        """The whole view."""
        tables = Table.grid(expand=True, padding=(0, 1))
        for _ in range(3):
            tables.add_column(ratio=1)
        rows = self._status.rows
        tables.add_row(
            _counted("Attacks by class", {of.name: of.attacks for of in rows.attacks_by_class}, "none yet"),
            _counted("Healing actions", rows.of("action"), "none yet"),
            _counted("Rejected rows", rows.of("rejected"), "none"),
        )
        return Panel(Group(self._head(), tables), title="netheal", subtitle="Ctrl-C drains and stops")

    def _head(self) -> RenderableType:
        status = self._status
        head = Table.grid(expand=True)
        for _ in range(4):
            head.add_column(ratio=1)
        rows = status.rows
        head.add_row(
            f"[b]{rows.predictions + rows.rejected:,}[/b] rows in",
            f"[b]{status.verdicts_per_s:,.0f}[/b] verdicts/s",
            f"[b]{status.lag:,}[/b] rows lag",
            f"[b]{self.state}[/b]",
        )
        head.add_row(
            f"{rows.attacks:,} attacks, {rows.normal:,} normal",
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
