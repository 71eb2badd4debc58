"""One maintenance of everything; may run beside the stream, uploads and readers, and be killed at any time.

1. Delta, table by table: delete rows of days that are not kept any more; compact; VACUUM. Each is one commit of its
   own, or removes files that the log does not know and nothing open may commit.
2. Postgres: partitions, ledgers, statistics, in short transactions.

What the stream does of it by itself, about once a minute (`jobs/stages/maintenance.py`), are calls of the same
functions. Delta comes first: what became of a rejected row is forgotten after the row.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from netheal.errors import Conflict, SettingsError
from netheal.maintenance.delta_steps import DeltaMaintenance
from netheal.maintenance.postgres_steps import PostgresMaintenance
from netheal.settings import Settings
from netheal.settings.load import variable
from netheal.store.advisory_lock import take_lock
from netheal.store.database import Connection
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.partitions import serving_since

LOCK = "netheal-maintenance"


@dataclass(frozen=True)
class Maintenance:
    """`connection` is its own, as the lock lives on it."""

    settings: Settings
    connection: Connection

    def run(self) -> dict[str, Any]:
        """Do it all; what was done, in numbers, by store.

        Raises Conflict where another one runs, SettingsError, ServiceUnavailable: may be run again.
        """
        self._require_retention()
        if not take_lock(self.connection, LOCK):
            raise Conflict("another maintenance is running: wait until it has ended")
        report: dict[str, Any] = {"dry_run": False, "delta": {}}
        for step in self._delta_steps():
            report["delta"][step.layout.name] = step.run()
        report["postgres"] = self._postgres_step().run()
        return report

    def plan(self) -> dict[str, Any]:
        """What `run` would do, in numbers; changes nothing, and may run beside another one."""
        self._require_retention()
        delta = {step.layout.name: step.plan() for step in self._delta_steps()}
        return {"dry_run": True, "delta": delta, "postgres": self._postgres_step().plan()}

    def _delta_steps(self) -> list[DeltaMaintenance]:
        root, kept = self.settings.paths.delta_root, self.settings.retention
        return [
            DeltaMaintenance(layout, root, _first_day(days), self.connection)
            for layout, days in ((verdicts_layout(), kept.verdicts_days), (quarantine_layout(), kept.quarantine_days))
        ]

    def _postgres_step(self) -> PostgresMaintenance:
        days = self.settings.retention.quarantine_days
        oldest: datetime | None = serving_since(days) if days else None
        settings = self.settings
        return PostgresMaintenance(self.connection, settings.stream.serving_days, oldest, settings.drift.keep_days)

    def _require_retention(self) -> None:
        """Postgres serves no row that Delta does not have."""
        retention, serving_days = self.settings.retention, self.settings.stream.serving_days
        for name in type(retention).model_fields:
            days = getattr(retention, name)
            if 0 < days < serving_days:
                raise SettingsError(
                    f"{variable(retention.prefix + name)} is {days}, less than the {serving_days} days that Postgres"
                    f" serves: raise it, or lower {variable('serving_days')}"
                )


def _first_day(days: int) -> date | None:
    """The first day that is kept; None keeps all."""
    return serving_since(days).date() if days else None
