"""`netheal doctor`: everything that must be right, with what was found and what to do. It changes nothing."""

import json
from dataclasses import asdict
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.cli import broker_checks, postgres_checks
from netheal.cli.position_check import position
from netheal.cli.preflight import Check, run_check, run_checks
from netheal.cli.status_command import read_system_status
from netheal.cli.store_checks import folders
from netheal.cli.version_checks import jar_versions, packages
from netheal.embedded.running import settings_of_running
from netheal.errors import NethealError
from netheal.host.fsync import local_folder
from netheal.recovery.checkpoint import LocalFiles, newest_checkpoint, read_checkpoint
from netheal.recovery.resume import damaged
from netheal.settings import Settings
from netheal.store.database import Connection

RUNNING = "running"
_BEFORE_A_START = "not looked at: netheal does not run here, and the settings name none"
_DATABASE, _BROKER = "database", "broker"


def doctor(settings: Settings) -> list[Check]:
    """What the machine has and lacks, what is damaged or not allowed, and whether netheal runs here."""
    named = settings_of_running(settings)
    return [
        *run_checks(settings),
        run_check("packages", partial(packages, settings)),
        run_check("jar versions", partial(jar_versions, settings)),
        run_check("folders", partial(folders, settings)),
        checkpoint_check(settings),
        *_of_services(named),
        _running(settings),
    ]


def checkpoint_check(settings: Settings) -> Check:
    """Whether Spark could read the job's checkpoint."""
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


def _of_services(named: Settings) -> list[Check]:
    """What is in Postgres and on the broker, where they are named or run, and whether both fit the checkpoint."""
    broker = _of_broker(named)
    if not named.postgres.dsn.get_secret_value():
        return [Check(_DATABASE, True, _BEFORE_A_START), *broker]
    try:
        connection = postgres_checks.reach_postgres(named)
    except NethealError as error:
        return [Check(_DATABASE, False, str(error)), *broker]
    try:
        checks = [*_of_postgres(connection), *broker]
        if len(broker) > 1 and postgres_checks.has_tables(connection):
            checks.append(run_check("stream", partial(position, connection, named)))
        return checks
    finally:
        connection.close()


def _of_postgres(connection: Connection) -> list[Check]:
    checks = {
        _DATABASE: postgres_checks.server_version,
        "database rights": postgres_checks.rights,
        "database schema": postgres_checks.schema,
        "database clock": postgres_checks.clock,
    }
    return [run_check(name, partial(check, connection)) for name, check in checks.items()]


def _of_broker(named: Settings) -> list[Check]:
    """One check where it does not answer."""
    if not named.kafka.bootstrap_servers:
        return [Check(_BROKER, True, _BEFORE_A_START)]
    try:
        admin = broker_checks.reach_broker(named)
    except NethealError as error:
        return [Check(_BROKER, False, str(error))]
    return [
        Check(_BROKER, True, f"{named.kafka.bootstrap_servers} answers"),
        run_check("topics", partial(broker_checks.topics, admin, named)),
        run_check("record clock", partial(broker_checks.clock, named)),
    ]


def _running(settings: Settings) -> Check:
    """Not running is no defect; running without a stream that runs is one."""
    found = read_system_status(settings)
    if not found.running:
        return Check(RUNNING, True, f"netheal does not run in {found.var_dir}")
    where = f"netheal runs in {found.var_dir} (process {found.pid})"
    if found.problem:
        return Check(RUNNING, False, f"{where}, but {found.problem}; see `netheal status` and {settings.paths.log_dir}")
    return Check(RUNNING, True, f"{where}, and its stream runs")


def doctor_command(settings: Settings, as_json: bool = False, console: Console | None = None) -> int:
    """Print them; 0 when all is well, 1 when something must be done."""
    checks = doctor(settings)
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=1, ensure_ascii=False))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            mark = "[green]ok[/]" if check.ok else "[red]problem[/]"
            table.add_row(mark, check.name, escape(check.text))
        (console or Console()).print(table)
    return 0 if all(check.ok for check in checks) else 1
