"""Maintenance of Postgres: days ahead and behind, the ledgers, statistics for the planner."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql

from netheal.store.database import Connection, transaction
from netheal.store.drift import count_windows_before, forget_windows_before
from netheal.store.ledger_pruning import count_prunable, prune_ledger
from netheal.store.partitions import (
    PARTITIONED,
    count_strays,
    expired_days,
    maintain_partitions,
    missing_days,
    serving_since,
)
from netheal.store.replays import count_replays_before, forget_replays_before

Figures = dict[str, Any]

_SIZES = """
select c.relname, sum(pg_total_relation_size(p.relid))::bigint from pg_class c, pg_partition_tree(c.oid) p
where c.relnamespace = 'public'::regnamespace and c.relkind = 'p' group by 1
union all
select relname, pg_total_relation_size(oid) from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r' and not relispartition
order by 1
"""


@dataclass(frozen=True)
class PostgresMaintenance:
    """`replays_from`: what became of rejected rows before it is forgotten, as the rows are; None keeps all.

    `drift_days`: how long closed windows of drift are kept; 0 keeps all.
    """

    connection: Connection
    serving_days: int
    replays_from: datetime | None
    drift_days: int

    def plan(self) -> Figures:
        """What `run` would do, in numbers; changes nothing. Raises ServiceUnavailable."""
        return {
            "partitions": self._partitions(),
            "ledger": {"rows": count_prunable(self.connection, serving_since(self.serving_days))},
            "replays": {"rows": count_replays_before(self.connection, self.replays_from)},
            "drift": {"windows": count_windows_before(self.connection, self.drift_days)},
            "analyze": sorted(self._sizes()),
            "before": self._sizes(),
        }

    def run(self) -> Figures:
        """Make and drop days, prune, analyze; what was done, in numbers. Raises ServiceUnavailable."""
        before, planned = self._sizes(), self._partitions()
        maintain_partitions(self.connection, self.serving_days)
        pruned = prune_ledger(self.connection, serving_since(self.serving_days))
        forgotten = forget_replays_before(self.connection, self.replays_from)
        windows = forget_windows_before(self.connection, self.drift_days)
        for name in before:
            # One by one: a lock on a table is held to the end of its transaction, and would keep a day from being made.
            with transaction(self.connection) as cursor:
                cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(name)))
        return {
            "partitions": _less(planned, self._partitions()),
            "ledger": {"rows": pruned},
            "replays": {"rows": forgotten},
            "drift": {"windows": windows},
            "analyze": sorted(before),
            "before": before,
            "after": self._sizes(),
        }

    def _partitions(self) -> Figures:
        """What there is to do: days by table, and rows outside of any that are too old."""
        days, oldest, connection = self.serving_days, serving_since(self.serving_days), self.connection
        return {
            "make": [f"{table} {day}" for table in PARTITIONED for day in missing_days(connection, table, days)],
            "drop": [f"{table} {day}" for table in PARTITIONED for day in expired_days(connection, table, oldest)],
            "old_rows": sum(count_strays(connection, table, oldest) for table in PARTITIONED),
        }

    def _sizes(self) -> dict[str, int]:
        """Bytes of each table with its indexes."""
        with transaction(self.connection) as cursor:
            cursor.execute(_SIZES)
            return dict(cursor.fetchall())


def _less(planned: Figures, left: Figures) -> Figures:
    """What was done of a plan; a day that is in use is left for the next time."""
    done = {what: [day for day in planned[what] if day not in left[what]] for what in ("make", "drop")}
    return {**done, "old_rows": planned["old_rows"] - left["old_rows"]}
