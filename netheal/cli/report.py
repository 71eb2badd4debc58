"""The report of a drained run."""

import json
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from netheal.cli.readback import Run, output_messages, postgres_verdicts, rejected_reasons, verdict_ids
from netheal.contracts.event_id import Ids
from netheal.settings import Settings
from netheal.store.database import Connection, connect, transaction

Report = dict[str, Any]


def drained_report(settings: Settings, run: Run, sent: int) -> Report:
    """What `--json` prints: every count is read back from the sink that it is about."""
    connection = connect(settings.postgres.dsn.get_secret_value())
    try:
        delta = verdict_ids(settings, run)
        postgres, classes = postgres_verdicts(connection, run)
        outputs = output_messages(settings, run)
        return {
            "sent": sent,
            "verdicts_delta": _distinct(delta),
            "verdicts_postgres": _distinct(postgres),
            "messages_output": len(outputs.event_ids),
            "rejected": dict(Counter(rejected_reasons(settings, run)).most_common()),
            "duplicates_delta": len(delta) - _distinct(delta),
            "duplicates_postgres": len(postgres) - _distinct(postgres),
            "duplicates_output": len(outputs.event_ids) - _distinct(outputs.event_ids),
            "attacks": dict(Counter(name for name in classes if name is not None).most_common()),
            "rows_per_s": _rows_per_s(connection, run),
            "latency_ms": _percentiles(outputs.latency_ms),
        }
    finally:
        connection.close()


def _distinct(ids: Ids) -> int:
    return len(np.unique(ids))


def _percentiles(latency_ms: npt.NDArray[np.float64]) -> dict[str, float | None]:
    if len(latency_ms) == 0:
        return {"p50": None, "p95": None, "p99": None}
    values = np.percentile(latency_ms, [50, 95, 99])
    return {name: round(float(value), 1) for name, value in zip(("p50", "p95", "p99"), values, strict=True)}


def _rows_per_s(connection: Connection, run: Run) -> float | None:
    """Rows of the batches that hold the run's rows, over the time from the first one's start to the last one's end."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select sum(verdicts + rejected)::float8, extract(epoch from max(closed_at) - min(opened_at))::float8"
            " from batches where state = 'done' and exists (select 1 from jsonb_each_text(end_offsets) e"
            " where e.value::bigint > coalesce((%s::jsonb ->> e.key)::bigint, 0))"
            " and verdicts + rejected > 0",
            (json.dumps(run.start),),
        )
        rows, seconds = cursor.fetchone() or (None, None)
    return round(rows / seconds, 1) if rows and seconds else None
