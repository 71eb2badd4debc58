"""`netheal doctor`: every preflight check, with what was found and what to do."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.cli.preflight import Check, run_checks
from netheal.cli.status_command import read_system_status
from netheal.host.fsync import local_folder
from netheal.recovery.checkpoint import LocalFiles, newest_checkpoint, read_checkpoint
from netheal.recovery.resume import damaged
from netheal.settings import Settings

RUNNING = "running"


def doctor(settings: Settings) -> list[Check]:
    """What the machine has and lacks, what is damaged, and whether netheal runs here."""
    return [*run_checks(settings), checkpoint_check(settings), _running(settings)]


def checkpoint_check(settings: Settings) -> Check:
    """Whether Spark could read the job's checkpoint. Whether it fits the database, the job sees at its start."""
    name, root = "checkpoint", local_folder(settings.paths.checkpoint)
    if root is None:
        return Check(
            name, True, f"{settings.paths.checkpoint} is not on this machine: the job looks at it when it starts"
        )
    folder = newest_checkpoint(root)
    if folder is None:
        return Check(name, True, "none yet")
    found = read_checkpoint(LocalFiles(folder), settings.stream.input_topic)
    if found.damage:
        return Check(name, False, damaged(found))
    return Check(name, True, f"batch {found.last_commit} is the last one that is over")


def _running(settings: Settings) -> Check:
    """Not running is no defect; running without a stream that runs is one."""
    found = read_system_status(settings)
    if not found.running:
        return Check(RUNNING, True, f"netheal does not run in {found.var_dir}")
    where = f"netheal runs in {found.var_dir} (process {found.pid})"
    if found.problem:
        return Check(RUNNING, False, f"{where}, but {found.problem}; see `netheal status` and {settings.paths.log_dir}")
    return Check(RUNNING, True, f"{where}, and its stream runs")


def doctor_command(settings: Settings, console: Console | None = None) -> int:
    """Print them; 0 when all is well, 1 when something must be done."""
    checks = doctor(settings)
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]problem[/]"
        table.add_row(mark, check.name, escape(check.text))
    out = console or Console()
    out.print(table)
    return 0 if all(check.ok for check in checks) else 1
