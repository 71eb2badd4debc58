"""What `netheal up` leaves in its folder while it runs, so that other commands of the same folder find its services."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from netheal.embedded.postgres import embedded_dsn
from netheal.errors import ServiceUnavailable
from netheal.host.atomic_write import write_whole
from netheal.host.process import Identity, identify, recorded
from netheal.settings import Settings

RECORDS = {
    "broker": "kafka/broker.json",
    "postgres": "postgres/postmaster.json",
    "job": "job.pid",
    "api": "api.pid",
    "notifier": "notifier.pid",
}
"""Where each child's process is noted, below the var folder."""
API_NOTE = "api.json"
"""Where a running API says where it is, in the same folder."""
JOB_METRICS_NOTE = "job-metrics.json"
"""Where a running job says where its metrics are, in the same folder."""


@dataclass(frozen=True)
class Running:
    """A netheal that runs. `postgres_port` is 0 and `kafka_bootstrap_servers` empty where the settings name them.

    No password is in it: the embedded PostgreSQL's stands in a file of its own that only its owner may read.
    """

    process: Identity
    started_at: float
    postgres_port: int
    kafka_bootstrap_servers: str

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return max(0.0, time.time() - self.started_at)


def note_running(settings: Settings, own_postgres: bool, own_kafka: bool) -> None:
    """Called by the process that keeps the services up, once their addresses are settled."""
    identity = identify(os.getpid())
    if identity is None:
        return
    port = int(settings.postgres.dsn.get_secret_value().rpartition(":")[2].partition("/")[0]) if own_postgres else 0
    found = Running(identity, time.time(), port, settings.kafka.bootstrap_servers if own_kafka else "")
    write_whole(_note(settings.paths.var_dir), json.dumps(asdict(found)))


def forget_running(var_dir: Path) -> None:
    """Called by the same as it ends."""
    _note(var_dir).unlink(missing_ok=True)


def find_running(var_dir: Path) -> Running | None:
    """The netheal that runs in a folder, if one does."""
    try:
        document = json.loads(_note(var_dir).read_text("utf-8"))
        found = Running(**{**document, "process": Identity(**document["process"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.process.alive else None


def running_pids(var_dir: Path) -> dict[str, int]:
    """Process ids of its children that are alive, by name."""
    found = {name: recorded(var_dir / record) for name, record in RECORDS.items()}
    return {name: identity.pid for name, identity in found.items() if identity is not None}


def note_address(note: Path, address: Mapping[str, Any]) -> None:
    """Called by a process that listens: `url` and `pid`, in a file that `noted_url` reads."""
    note.parent.mkdir(parents=True, exist_ok=True)
    write_whole(note, json.dumps(address))


def forget_address(note: Path) -> None:
    """Called by the same as it ends; what another process has noted since stays."""
    try:
        if json.loads(note.read_text("utf-8"))["pid"] == os.getpid():
            note.unlink()
    except (OSError, ValueError, KeyError):
        pass


def noted_url(note: Path) -> str:
    """Where a process says it listens; nothing where none of that note runs."""
    try:
        found = json.loads(note.read_text("utf-8"))
        return str(found["url"]) if identify(int(found["pid"])) is not None else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def running_api_url(var_dir: Path) -> str:
    """Where the API of a folder says it is; nothing where none runs there."""
    return noted_url(var_dir / API_NOTE)


def settings_of_running(settings: Settings) -> Settings:
    """The settings, with the services of the netheal that runs in their folder where they name none."""
    running = find_running(settings.paths.var_dir)
    found: dict[str, object] = {}
    if running is not None and not settings.kafka.bootstrap_servers and running.kafka_bootstrap_servers:
        found["kafka_bootstrap_servers"] = running.kafka_bootstrap_servers
    if running is not None and not settings.postgres.dsn.get_secret_value() and running.postgres_port:
        found["postgres_dsn"] = SecretStr(embedded_dsn(settings.paths.var_dir / "postgres", running.postgres_port))
    return settings.replaced(**found)


def named_broker(settings: Settings) -> Settings:
    """The same, for a command that needs a broker; raises ServiceUnavailable where there is none."""
    named = settings_of_running(settings)
    if not named.kafka.bootstrap_servers:
        raise ServiceUnavailable(
            f"netheal does not run in {settings.paths.var_dir}: start it with `netheal up`, name its folder with --var,"
            " or set NETHEAL_KAFKA_BOOTSTRAP_SERVERS to the host:port of another broker"
        )
    return named


def named_postgres(settings: Settings) -> Settings:
    """The same, for a command that needs the database; raises ServiceUnavailable where there is none."""
    named = settings_of_running(settings)
    if not named.postgres.dsn.get_secret_value():
        raise ServiceUnavailable(
            f"there is no Postgres: netheal does not run in {settings.paths.var_dir}; start it with `netheal up`, name"
            " its folder with --var, or set NETHEAL_POSTGRES_DSN to the database of another"
        )
    return named


def _note(var_dir: Path) -> Path:
    return var_dir / "running.json"
