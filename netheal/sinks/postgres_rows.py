"""The Postgres sink of a task: its narrow rows, copied in one transaction."""

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_manager import Error, IntegrityError

from netheal.errors import ServiceUnavailable
from netheal.store.serving_rows import ServingRows, joined_rows, serving_rows


class PostgresRowWriter:
    """Collects the narrow rows of a task and copies them at its end; a row that is there already stays."""

    def __init__(self, connection: adbc.Connection, model_ids: dict[str, int]) -> None:
        self._connection = connection
        self._model_ids = model_ids
        self._parts: list[ServingRows] = []

    def write(self, verdicts: pa.Table, rejected: pa.Table) -> None:
        """Keep the rows for the end of the task."""
        self._parts.append(serving_rows(verdicts, rejected, self._model_ids))

    def receipt(self) -> int:
        """Copy and commit; the number of rows handed over. Raises ServiceUnavailable where Postgres fails."""
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
            for name, table in tables.items():
                if not merge:
                    cursor.adbc_ingest(name, table, mode="append")
                    continue
                cursor.execute(f"create temporary table new_{name} (like {name}) on commit drop")
                cursor.adbc_ingest(f"new_{name}", table, mode="append", temporary=True)
                cursor.execute(f"insert into {name} select * from new_{name} on conflict do nothing")
        self._connection.commit()
