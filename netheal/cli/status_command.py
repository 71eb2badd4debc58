"""`netheal status`: the whole at a glance, once."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.cli.recent_latency import read_recent_latency
from netheal.cli.status import Status, StatusReader
from netheal.embedded.running import (
    JOB_METRICS_NOTE,
    RECORDS,
    find_running,
    noted_url,
    running_api_url,
    running_pids,
    settings_of_running,
)
from netheal.errors import ServiceUnavailable
from netheal.host.disk import DiskSpace, DiskWatch, disk_space, size_text, written_folders
from netheal.settings import Settings
from netheal.store.drift import ActiveDrift
from netheal.store.outages import Outage, open_outages
from netheal.store.totals import RowCounts, read_minutes, rows_of

_BROKER_S = 3.0
_RECENT_MINUTES = 5
_NOT_RUNNING = 1
_MAY_BE_OFF = ("api", "notifier")
"""Children that `netheal up` does not always start."""


@dataclass(frozen=True)
class Recent:
    """The last minutes: rows by the minute of their record; the latency's quantiles in seconds; None: not known."""

    rows: RowCounts = field(default_factory=RowCounts)
    oldest_waiting_s: float | None = None
    latency_s: dict[str, float] = field(default_factory=dict)

    @property
    def rejected_share(self) -> float | None:
        """Of 1; None where no row came."""
        every = self.rows.predictions + self.rows.rejected
        return self.rows.rejected / every if every else None


@dataclass(frozen=True)
class SystemStatus:
    """All that is shown; `trouble` says why there are no figures."""

    running: bool
    var_dir: str
    pid: int | None = None
    running_for_s: float | None = None
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    api_url: str = ""
    disk: str = ""
    trouble: str = ""
    figures: Status | None = None
    outages: tuple[Outage, ...] = ()
    recent: Recent = field(default_factory=Recent)
    disks: tuple[DiskSpace, ...] = ()
    job_metrics_url: str = ""

    @property
    def problem(self) -> str:
        """What keeps the stream from running, as the end of a sentence that begins with netheal; empty where it runs.

        It may run without `netheal up`, as a job of its own whose services the settings name.
        """
        dead = [name for name, service in self.services.items() if service["pid"] is None]
        if self.disk or self.trouble or dead:
            return self.disk or self.trouble or f"not running: {', '.join(dead)}"
        health = self.figures.health() if self.figures else "unreported"
        if health == "running":
            return ""
        stream = self.figures.progress.stream if self.figures else None
        word = "starting" if health == "overdue" else health
        state = "has not reported yet" if stream is None else f"is {word}"
        return f"its stream {state}" + (f": {stream.reason}" if stream is not None and stream.reason else "")


def read_system_status(settings: Settings) -> SystemStatus:
    """Look at what runs in the folder of the settings, and at the services that they or it name."""
    running = find_running(settings.paths.var_dir)
    folders = written_folders(settings)
    full = DiskWatch(folders).full()
    metrics_url = noted_url(settings.paths.var_dir / JOB_METRICS_NOTE)
    figures, outages, recent, trouble = _figures(settings, metrics_url)
    return SystemStatus(
        running=running is not None,
        var_dir=str(settings.paths.var_dir),
        pid=running.process.pid if running else None,
        running_for_s=round(running.age_s, 1) if running else None,
        services=_services(settings) if running else {},
        api_url=running_api_url(settings.paths.var_dir),
        disk=str(full or ""),
        trouble=trouble,
        figures=figures,
        outages=outages,
        recent=recent,
        disks=tuple(disk_space(folder) for folder in folders),
        job_metrics_url=metrics_url,
    )


def status_command(settings: Settings, as_json: bool, console: Console | None = None) -> int:
    """Print it; 0 where netheal runs and the stream is running, else 1."""
    found = read_system_status(settings)
    if as_json:
        print(json.dumps(document(found), indent=1, ensure_ascii=False))
    else:
        _print(found, console or Console(highlight=False))
    return _NOT_RUNNING if found.problem else 0


def document(found: SystemStatus) -> dict[str, Any]:
    """The same as plain JSON."""
    figures, stream = found.figures, found.figures.progress.stream if found.figures else None
    return {
        "running": found.running,
        "var_dir": found.var_dir,
        "pid": found.pid,
        "running_for_s": found.running_for_s,
        "services": found.services,
        "api_url": found.api_url or None,
        "disk_full": found.disk or None,
        "trouble": found.trouble or None,
        "stream": None
        if stream is None
        else {
            "state": stream.state,
            "reason": stream.reason,
            "details": stream.details,
            "since": stream.since.isoformat() if stream.since else None,
            "heartbeat_age_s": round(stream.heartbeat_age_s, 1),
            "alive": stream.alive,
        },
        "lag": figures.lag if figures else None,
        "lag_s": found.recent.oldest_waiting_s,
        "recent": {
            "minutes": _RECENT_MINUTES,
            "rows": found.recent.rows.predictions + found.recent.rows.rejected,
            "rejected_share": found.recent.rejected_share,
            "latency_s": found.recent.latency_s,
        },
        "totals": _totals(figures) if figures else None,
        "last_batch": {"rows": figures.progress.last_rows, "seconds": round(figures.progress.last_s, 3)}
        if figures and figures.progress.batches
        else None,
        "models": figures.models if figures else None,
        "active_models": [
            {
                "model_type": model.model_type,
                "version": model.version,
                "activated_at": model.activated_at.isoformat() if model.activated_at else None,
            }
            for model in (figures.progress.active if figures else ())
        ],
        "drift": [
            {
                "model_type": drift.model_type,
                "version": drift.version,
                "state": drift.state,
                "mean_psi": drift.mean_psi,
                "features": dict(drift.features),
            }
            for drift in (figures.progress.drift if figures else ())
        ],
        "disks": [
            {"path": str(disk.path), "free_bytes": disk.free_bytes, "total_bytes": disk.total_bytes}
            for disk in found.disks
        ],
        "job_metrics_url": found.job_metrics_url or None,
        "outages": [
            {**asdict(outage), "started_at": outage.started_at.isoformat(), "ended_at": None}
            for outage in found.outages
        ],
    }


def _totals(figures: Status) -> dict[str, Any]:
    """Under the names that `/predictions/stats` has."""
    rows = figures.progress.rows
    return {
        "total_predictions": rows.predictions,
        "total_attacks": rows.attacks,
        "total_normal": rows.normal,
        "attack_type_distribution": rows.of("class"),
        "rejected": rows.of("rejected"),
        "actions": rows.of("action"),
    }


def _services(settings: Settings) -> dict[str, dict[str, Any]]:
    """Pid and port of each child that is known of; a pid of None is one that does not run."""
    pids, running = running_pids(settings.paths.var_dir), find_running(settings.paths.var_dir)
    ports = {
        "broker": int(running.kafka_bootstrap_servers.rpartition(":")[2] or 0) if running else 0,
        "postgres": running.postgres_port if running else 0,
        "api": int(running_api_url(settings.paths.var_dir).rpartition(":")[2] or 0),
    }
    named = {
        "broker": bool(settings.kafka.bootstrap_servers),
        "postgres": bool(settings.postgres.dsn.get_secret_value()),
    }
    return {
        name: {"pid": pids.get(name), "port": ports.get(name) or None}
        for name in RECORDS
        if not named.get(name) and (name in pids or name not in _MAY_BE_OFF)
    }


def _figures(settings: Settings, metrics_url: str) -> tuple[Status | None, tuple[Outage, ...], Recent, str]:
    """The stream's figures, the outages that last, the last minutes, and why there are none."""
    try:
        named = settings_of_running(settings)
        if not named.postgres.dsn.get_secret_value() or not named.kafka.bootstrap_servers:
            told = f"netheal does not run in {settings.paths.var_dir}: start it with `netheal up`"
            return None, (), Recent(), told
        reader = StatusReader(named, _BROKER_S)
        try:
            status = reader.read()
            outages = tuple(open_outages(reader.connection()))
            recent = _recent(reader, status, metrics_url)
        finally:
            reader.close()
    except ServiceUnavailable as error:
        return None, (), Recent(), str(error)
    return status, outages, recent, ""


def _recent(reader: StatusReader, status: Status, metrics_url: str) -> Recent:
    minutes = read_minutes(reader.connection(), datetime.now(UTC), _RECENT_MINUTES)
    try:
        oldest = None if status.lag is None else reader.oldest_age_s() if status.lag else 0.0
    except ServiceUnavailable:
        oldest = None
    return Recent(rows_of(minutes), oldest, read_recent_latency(metrics_url))


def _print(found: SystemStatus, console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _lines(found):
        table.add_row(name, escape(text))
    console.print(table)


def _lines(found: SystemStatus) -> list[tuple[str, str]]:
    lines = [("netheal", _whether(found))]
    for name, service in found.services.items():
        at = f", 127.0.0.1:{service['port']}" if service["port"] else ""
        lines.append((name, f"process {service['pid']}{at}" if service["pid"] else f"not running{at}"))
    if found.api_url:
        lines.append(("dashboard", found.api_url))
    if found.job_metrics_url:
        lines.append(("metrics", found.job_metrics_url))
    if found.disk or found.disks:
        lines.append(("disk", found.disk or _free(found.disks)))
    if found.trouble and found.running:
        lines.append(("trouble", found.trouble))
    if found.figures is not None:
        lines += _figure_lines(found.figures, found.recent)
    lines += [("outage", f"{o.subject} since {_local(o.started_at)}: {o.reason}") for o in found.outages]
    return lines


def _whether(found: SystemStatus) -> str:
    if not found.running:
        return f"does not run in {found.var_dir}: start it with `netheal up`"
    return f"runs in {found.var_dir} (process {found.pid}) for {_duration(found.running_for_s or 0.0)}"


def _figure_lines(figures: Status, recent: Recent) -> list[tuple[str, str]]:
    progress, stream, counted = figures.progress, figures.progress.stream, figures.progress.rows
    state = "the streaming job has not reported yet"
    if stream is not None:
        state = stream.state + (f": {stream.reason}" if stream.reason else "")
        if figures.health() == "silent":
            state = f"does not answer for {_duration(stream.heartbeat_age_s)} (it was {state})"
    rows = (
        f"{counted.predictions:,} scored ({counted.attacks:,} attacks, {counted.normal:,} normal),"
        f" {counted.rejected:,} rejected"
    )
    last = f"{progress.last_rows:,} rows in {progress.last_s:.2f} s" if progress.batches else "none yet"
    models = [f"{model.version}{_since(model.activated_at)}" for model in reversed(progress.active)]
    return [
        ("stream", state),
        ("lag", _lag(figures.lag, recent.oldest_waiting_s)),
        ("rows", rows),
        (f"last {_RECENT_MINUTES} min", _recent_line(recent)),
        ("last batch", last),
        ("models", ", ".join(models) or "no active model"),
        *(("drift", _drift(found)) for found in progress.drift if found.state != "ok"),
    ]


def _drift(found: ActiveDrift) -> str:
    features = ", ".join(name.strip() for name, _ in found.features)
    return f"{found.state}: traffic of {found.model}, mean PSI {found.mean_psi:.2f}, most in {features}"


def _lag(rows: int | None, oldest_s: float | None) -> str:
    if rows is None:
        return "unknown: the Kafka broker does not answer"
    return f"{rows:,} rows" + (f", the oldest is {_duration(oldest_s)} old" if rows and oldest_s is not None else "")


def _recent_line(recent: Recent) -> str:
    share = recent.rejected_share
    told = ["no rows" if share is None else f"{share:.1%} of the rows rejected"]
    told += [f"latency p{float(of) * 100:g} at most {s:g} s" for of, s in sorted(recent.latency_s.items())]
    return ", ".join(told)


def _since(activated_at: datetime | None) -> str:
    if activated_at is None:
        return ""
    return f" (active for {_duration((datetime.now(UTC) - activated_at).total_seconds())})"


def _free(disks: Sequence[DiskSpace]) -> str:
    """What is left where least is."""
    least = min(disks, key=lambda disk: disk.free_bytes)
    return f"{size_text(least.free_bytes)} of {size_text(least.total_bytes)} free at {least.path}"


def _duration(seconds: float) -> str:
    """A duration for a person.

    >>> _duration(42.4), _duration(3 * 3600 + 61), _duration(10 * 86_400)
    ('42 s', '3 h 1 min', '10 days')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"


def _local(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
