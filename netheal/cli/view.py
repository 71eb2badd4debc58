"""The live terminal view of `netheal up`: every count is seen at any width."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from netheal.cli.stage import StatusLine
from netheal.cli.status import Status

_WIDE, _MEDIUM = 100, 60
"""Columns from which figures stand four, and two, in a line; below, and in one column of tables, one by one."""
_FRAME_COLUMNS = 4
_FRAME_LINES = 3

Cell = tuple[str, str]
"""A figure and what it is of."""
Counts = dict[str, int]


class LiveView:
    """Turns status after status into what a person sees, under the stage of the whole."""

    def __init__(self) -> None:
        self._stage = StatusLine("starting")
        self._status = Status()

    def update(self, status: Status, stage: StatusLine) -> None:
        """Show this from now on."""
        self._stage = stage
        self._status = status

    def line(self) -> str:
        """Everything in one line, where there is no terminal."""
        status, rows = self._status, self._status.progress.rows
        text = (
            f"{self._stage.word}: {_rows_in(status)} rows in, {status.verdicts_per_s:.0f} verdicts/s,"
            f" {rows.attacks} attacks, {rows.normal} normal, {rows.rejected} rejected, lag {_lag(status)}"
        )
        return f"{text}; {self._stage.sentence}" if self._stage.sentence else text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The whole view, as wide as the terminal and no higher."""
        width, rows = options.max_width, self._status.progress.rows
        tables: list[tuple[str, Counts, str]] = [
            ("Attacks by class", {of.name: of.attacks for of in rows.attacks_by_class}, "none yet"),
            ("Healing actions", rows.of("action"), "none yet"),
            ("Rejected rows", rows.of("rejected"), "none"),
        ]
        columns = 4 if width >= _WIDE else 2 if width >= _MEDIUM else 1
        beside = 1 if width < _MEDIUM else len(tables)
        top = Group(Text(str(self._stage), style="bold"), _in_columns(_figures(self._status), columns))
        inner = options.update(width=max(1, width - _FRAME_COLUMNS), height=None)
        left = (options.height or console.height) - _FRAME_LINES - len(console.render_lines(top, inner))
        body = _beside([_counted(*table, _rows_a_table(left, len(tables) // beside)) for table in tables], beside)
        yield Panel(Group(top, body), title="netheal", subtitle="Ctrl-C drains and stops", width=width)


def _figures(status: Status) -> list[Cell]:
    progress, rows = status.progress, status.progress.rows
    last = f"rows in {progress.last_s:.2f} s, the last batch" if progress.batches else "rows in the last batch"
    return [
        (f"{_rows_in(status):,}", "rows in"),
        (f"{status.verdicts_per_s:,.0f}", "verdicts/s"),
        (_lag(status), "rows lag"),
        (f"{progress.batches:,}", "micro-batches"),
        (f"{rows.attacks:,}", "attacks"),
        (f"{rows.normal:,}", "normal"),
        (f"{rows.rejected:,}", "rejected"),
        (f"{progress.last_rows:,}", last),
        ("", ", ".join(status.models) or "no active model"),
    ]


def _rows_in(status: Status) -> int:
    return status.progress.rows.predictions + status.progress.rows.rejected


def _lag(status: Status) -> str:
    return "?" if status.lag is None else f"{status.lag:,}"


def _rows_a_table(lines: int, stacked: int) -> int:
    """How many counts a table may show below its title so that the whole fits into the lines that are left."""
    return max(1, lines // stacked - 1)


def _in_columns(figures: Sequence[Cell], columns: int) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in range(columns):
        grid.add_column(ratio=1, overflow="fold")
    cells = [Text.assemble((figure, "bold"), " " if figure else "", what) for figure, what in figures]
    for at in range(0, len(cells), columns):
        grid.add_row(*cells[at : at + columns])
    return grid


def _beside(tables: Sequence[RenderableType], columns: int) -> RenderableType:
    if columns == 1:
        return Group(*tables)
    grid = Table.grid(expand=True, padding=(0, 2))
    for _ in range(columns):
        grid.add_column(ratio=1)
    grid.add_row(*tables)
    return grid


def _counted(title: str, counts: Counts, empty: str, rows: int) -> Table:
    """Names give way, counts do not; what does not fit is summed up in the last row."""
    table = Table(title=title, expand=True, show_header=False, title_justify="left", box=None, padding=0)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(
        no_wrap=True, justify="right", min_width=max([len(f"{n:,}") + 1 for n in counts.values()], default=1)
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) > rows:
        rest = ordered[rows - 1 :]
        ordered = [*ordered[: rows - 1], (f"{len(rest)} more", sum(n for _, n in rest))]
    for name, n in ordered:
        table.add_row(Text(name), f"{n:,}")
    if not counts:
        table.add_row(Text(empty, style="dim"), "")
    return table
