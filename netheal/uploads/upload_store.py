"""Where an uploaded file's rows go, and in which order, so that none is lost, none twice and none counted by half.

1. The `uploads` row is opened, `state = 'open'`.
2. Verdicts and rejected rows are written as Delta parts, which nobody sees yet.
3. One Postgres transaction begins: the serving rows are copied.
4. The parts are committed to Delta, each table once for the upload's own transaction id.
5. The same Postgres transaction adds the counts, marks the upload done, and ends.

`done` therefore means that the rows are everywhere. Whatever fails before 4 leaves nothing but an open upload;
between 4 and the end of 5, rows in Delta that belong to an open upload, and nothing in Postgres. Where the process
lives these are taken back at once; after a crash, by the first upload an hour later. What fails was answered
with an error, so the client sends the file again, and its rows get new ids.
"""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from psycopg2.extras import Json

from netheal.errors import ServiceUnavailable
from netheal.store.counts import Counts, add_totals
from netheal.store.database import transaction
from netheal.store.delta import DeltaLog, Part, quarantine_layout, verdicts_layout
from netheal.store.ledger import record_policy
from netheal.store.pool import Pool
from netheal.store.serving_rows import ServingRows, copy_rows

TOPIC = "upload"
_APP = "netheal-upload"
_ABANDONED = "1 hour"
"""No file takes as long; whoever had it open is gone."""


@dataclass(frozen=True)
class OpenUpload:
    """An open upload: `id` is its rows' batch, `batch_id` its name for people, `at` its time and its rows'."""

    id: int
    batch_id: str
    at: datetime

    @property
    def app_id(self) -> str:
        """Of its one Delta transaction a table."""
        return f"{_APP}-{self.batch_id}"


@dataclass(frozen=True)
class Uploader:
    """Who sends a file, and how they call it; the name is only ever shown."""

    actor: str
    source_name: str


@dataclass(frozen=True)
class Outcome:
    """What an upload leaves behind; `verdict_schema` are the columns of its verdicts."""

    verdict_schema: pa.Schema
    verdict_parts: Sequence[Part]
    quarantine_parts: Sequence[Part]
    rows: ServingRows
    counts: Counts
    verdicts: int
    rejected: int


class UploadStore:
    """Postgres and the Delta tables, as uploads use them; for any number of threads."""

    def __init__(self, pool: Pool, delta_root: str) -> None:
        self.delta_root = delta_root
        self._pool = pool
        self._lock = threading.Lock()
        self._logs: tuple[DeltaLog, DeltaLog] | None = None

    def open(self, sender: Uploader, models: dict[str, str], version: str, policy: dict[str, Any]) -> OpenUpload:
        """Write down who uploads what, and with which models (contract id -> bundle hash) and policy it is scored."""
        self._sweep()
        now = datetime.now(UTC)
        batch_id = f"{now:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
        with self._pool.connection() as connection, transaction(connection) as cursor:
            record_policy(cursor, version, policy)
            cursor.execute(
                "insert into uploads (batch_id, uploaded_at, actor, source_name, models, policy_version, state)"
                " values (%s, %s, %s, %s, %s, %s, 'open') returning id",
                (batch_id, now, sender.actor, sender.source_name, Json(models), version),
            )
            (upload_id,) = cursor.fetchone() or (0,)
        return OpenUpload(upload_id, batch_id, now)

    def row_numbers(self, rows: int) -> npt.NDArray[np.int64]:
        """Numbers that no row of any upload has had, ascending."""
        with self._pool.connection() as connection, transaction(connection) as cursor:
            cursor.execute("select nextval('upload_rows') from generate_series(1, %s)", (rows,))
            return np.sort(np.array(cursor.fetchall(), dtype=np.int64).reshape(-1))

    def close(self, upload: OpenUpload, outcome: Outcome) -> None:
        """Make it all visible at once: steps 3 to 5. Raises ServiceUnavailable, and then nothing is."""
        with self._pool.connection() as connection, transaction(connection) as cursor:
            copy_rows(cursor, outcome.rows)
            self._commit(upload, outcome)
            add_totals(cursor, outcome.counts)
            cursor.execute(
                "update uploads set state = 'done', total_rows = %s, verdicts = %s, rejected = %s"
                " where id = %s and state = 'open'",
                (outcome.verdicts + outcome.rejected, outcome.verdicts, outcome.rejected, upload.id),
            )
            if cursor.rowcount != 1:
                raise ServiceUnavailable("the upload was given up, it took too long: send the file again")

    def give_up(self, upload: OpenUpload) -> bool:
        """Take back what an upload that failed left behind; True, and nothing is touched, where it is done."""
        with self._pool.connection() as connection, transaction(connection) as cursor:
            cursor.execute("select state from uploads where id = %s for update", (upload.id,))
            if cursor.fetchone() == ("done",):
                return True
            self._take_back(upload)
            cursor.execute("delete from uploads where id = %s", (upload.id,))
        return False

    def _commit(self, upload: OpenUpload, outcome: Outcome) -> None:
        with self._lock:
            verdicts, quarantine = self._open_logs()
            verdicts.add_columns(outcome.verdict_schema)
            verdicts.commit(outcome.verdict_parts, upload.app_id, 0)
            quarantine.commit(outcome.quarantine_parts, upload.app_id, 0)

    def _take_back(self, upload: OpenUpload) -> None:
        with self._lock:
            for log in self._open_logs():
                if log.committed(upload.app_id) is not None:
                    day = f"{upload.at:%Y-%m-%d}"
                    log.delete(f"date = '{day}' and topic = '{TOPIC}' and batch_id = {upload.id}")

    def _sweep(self) -> None:
        with self._pool.connection() as connection, transaction(connection) as cursor:
            cursor.execute(
                "select id, batch_id, uploaded_at from uploads"
                " where state = 'open' and uploaded_at < now() - %s::interval",
                (_ABANDONED,),
            )
            abandoned = [OpenUpload(number, name, at.astimezone(UTC)) for number, name, at in cursor.fetchall()]
        for upload in abandoned:
            self.give_up(upload)

    def _open_logs(self) -> tuple[DeltaLog, DeltaLog]:
        if self._logs is None:
            self._logs = (
                DeltaLog(verdicts_layout(), self.delta_root),
                DeltaLog(quarantine_layout(), self.delta_root),
            )
        return self._logs
