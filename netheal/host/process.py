"""Which process is which: a pid alone may be someone else's by now, a pid with its start time cannot."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from netheal.host.atomic_write import write_whole

PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """One process in the life of the machine."""

    pid: int
    start_ticks: int
    boot: str

    @property
    def alive(self) -> bool:
        """Whether this very process is still there (a zombie is not)."""
        return identify(self.pid) == self

    def send(self, number: signal.Signals, group: bool = False) -> None:
        """Signal it, or its process group; nothing happens when it is gone."""
        if not self.alive:
            return
        try:
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def save(self, record: Path) -> None:
        """Leave a note for the next start, should this process of ours end without clearing up."""
        write_whole(record, json.dumps(asdict(self)))


def identify(pid: int) -> Identity | None:
    """The process that has this pid now; None when there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), boot)


def recorded(record: Path) -> Identity | None:
    """The process a note speaks of, if it lives."""
    try:
        identity = Identity(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return identity if identity.alive else None


def working_in(folder: Path) -> list[int]:
    """Pids of the processes whose working directory is `folder`, as far as we may look."""
    found = []
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "cwd").readlink() == folder.resolve():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kill_children() -> None:
    """SIGKILL to every process that this one started and that still runs."""
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit() and _parent_of(entry) == os.getpid():
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


def _parent_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_gone(identity: Identity, bound_s: float) -> bool:
    """Wait until a process that is not our child is gone; False when it outlives the bound."""
    limit = time.monotonic() + bound_s
    while identity.alive:
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True
