"""`netheal doctor`: every preflight check, with what was found and what to do."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.cli.preflight import Check, run_checks
from netheal.settings import Settings


def doctor(settings: Settings) -> list[Check]:
    """What the machine has and lacks."""
    return run_checks(settings)


def doctor_command(settings: Settings, console: Console | None = None) -> int:
    """Print them; 0 when all is well, 1 when something must be done."""
    checks = doctor(settings)
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]missing[/]"
        table.add_row(mark, check.name, escape(check.text))
    out = console or Console()
    out.print(table)
    return 0 if all(check.ok for check in checks) else 1
