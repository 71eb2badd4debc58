"""The Postgres sink of a task: its narrow rows, copied in one transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_manager import Error, IntegrityError

from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.store.serving_rows import ServingRows, joined_rows, serving_rows


@dataclass(frozen=True)
class BatchFence:
    """The ledger's row of a micro-batch: it must be open, and pinned to these models (contract id -> bundle hash)."""

    query_id: str
    batch_id: int
    models: Mapping[str, str]


_HOLD_OPEN = (
    "select 1 from batches where query_id = $1 and batch_id = $2 and state = 'open' and models = $3::jsonb for share"
)


class PostgresRowWriter:
    """Collects the narrow rows of a task and copies them at its end; a row that is there already stays.

    With a `fence`, a task that Spark has given up, and that lives on, stores nothing once its batch is done or was
    pinned to other models.
    """

    def __init__(self, connection: adbc.Connection, model_ids: dict[str, int], fence: BatchFence | None = None) -> None:
        self._connection = connection
        self._model_ids = model_ids
        self._fence = fence
        self._parts: list[ServingRows] = []

    def write(self, verdicts: pa.Table, rejected: pa.Table) -> None:
        """Keep the rows for the end of the task."""
        self._parts.append(serving_rows(verdicts, rejected, self._model_ids))

    def receipt(self) -> int:
        """Copy and commit; the number of rows handed over.

        Raises ServiceUnavailable where Postgres fails, StreamRefused where the fence is down.
        """
        full = joined_rows(self._parts)
        try:
            try:
                self._store(full, merge=False)
            except IntegrityError:
                self._connection.rollback()
                self._store(full, merge=True)
        except Error as error:
            raise ServiceUnavailable(f"Postgres did not take the rows: {error}") from error
        return sum(table.num_rows for table in full.values())

    def _store(self, tables: ServingRows, merge: bool) -> None:
        """A plain COPY first, the cheap way; with `merge`, through a temporary table past rows that are there."""
        with self._connection.cursor() as cursor:
            if self._fence is not None:
                self._hold_open(cursor, self._fence)
            for name, table in tables.items():
                if not merge:
                    cursor.adbc_ingest(name, table, mode="append")
                    continue
                cursor.execute(f"create temporary table new_{name} (like {name}) on commit drop")
                cursor.adbc_ingest(f"new_{name}", table, mode="append", temporary=True)
                cursor.execute(f"insert into {name} select * from new_{name} on conflict do nothing")
        self._connection.commit()

    def _hold_open(self, cursor: adbc.Cursor, fence: BatchFence) -> None:
        """Keep the batch as it is until the rows are committed."""
        cursor.execute(_HOLD_OPEN, (fence.query_id, fence.batch_id, json.dumps(dict(fence.models))))
        if cursor.fetchone() is None:
            self._connection.rollback()
            raise StreamRefused(f"batch {fence.batch_id} has gone on without this task, which stores nothing")
