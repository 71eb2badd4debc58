"""The ledger, read: what each micro-batch of the stream took and gave, and the files that were handed in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql

from netheal.contracts.event_id import offset_of, partition_of
from netheal.errors import NotFound
from netheal.kafka.offsets import Offsets
from netheal.store.database import Connection, Cursor
from netheal.store.read_transaction import page, read_transaction
from netheal.wording import quoted

BatchPosition = tuple[datetime, str, int]
"""Where a page ended: `opened_at`, `query_id` and `batch_id` of its last row."""


@dataclass(frozen=True)
class PinnedModel:
    """The model that took the rows of a contract; `version` is None where the registry does not know it."""

    contract: str
    version: str | None
    hash: str


@dataclass(frozen=True)
class Batch:
    """A row of the ledger; what is not known before it is done is None."""

    query_id: str
    batch_id: int
    topic: str
    state: str
    start_offsets: Offsets
    end_offsets: Offsets
    models: tuple[PinnedModel, ...]
    policy_version: str
    opened_at: datetime
    closed_at: datetime | None
    verdicts: int | None
    rejected: int | None

    @property
    def seconds(self) -> float | None:
        """From open to done."""
        return None if self.closed_at is None else (self.closed_at - self.opened_at).total_seconds()

    @property
    def rows_per_s(self) -> float | None:
        """Rows scored or rejected a second, while the batch was open."""
        if not self.seconds or self.verdicts is None or self.rejected is None:
            return None
        return (self.verdicts + self.rejected) / self.seconds


@dataclass(frozen=True)
class UploadedFile:
    """A file of flows that somebody handed in; its rows are counted when all of them are stored."""

    id: int
    batch_id: str
    uploaded_at: datetime
    source_name: str
    policy_version: str
    state: str
    total_rows: int | None
    verdicts: int | None


def page_of_batches(connection: Connection, before: BatchPosition | None = None, limit: int = 100) -> list[Batch]:
    """The newest `limit` micro-batches, of those before a position."""
    conditions: list[sql.Composable] = []
    if before is not None:
        conditions.append(sql.SQL("(opened_at, query_id, batch_id) < (%(at)s, %(query_id)s, %(batch_id)s)"))
    at, query_id, batch_id = before or (None, None, None)
    parameters = {"at": at, "query_id": query_id, "batch_id": batch_id, "limit": limit}
    with read_transaction(connection) as cursor:
        cursor.execute(page(_SELECT, conditions, ("opened_at", "query_id", "batch_id")), parameters)
        return _batches(cursor, cursor.fetchall())


def find_batch(connection: Connection, batch_id: int, event_id: int) -> Batch | None:
    """The micro-batch of that number whose offsets hold the event; several streams number their batches alike."""
    with read_transaction(connection) as cursor:
        cursor.execute(
            sql.SQL("{} join topics using (topic, topic_id) {}").format(_SELECT, _HOLDS),
            {"batch_id": batch_id, "place": offset_of(event_id), "partition": str(partition_of(event_id))},
        )
        return next(iter(_batches(cursor, cursor.fetchall())), None)


def find_upload(connection: Connection, upload_id: int) -> UploadedFile | None:
    """The file that rows of an upload came in."""
    with read_transaction(connection) as cursor:
        cursor.execute(f"{_UPLOADS} where id = %s", (upload_id,))
        row = cursor.fetchone()
    return None if row is None else UploadedFile(*row)


def get_upload(connection: Connection, batch_id: str) -> UploadedFile:
    """The file whose upload was answered with this `batch_id`; raises NotFound, also while it is being scored."""
    with read_transaction(connection) as cursor:
        cursor.execute(f"{_UPLOADS} where batch_id = %s and state = 'done'", (batch_id,))
        row = cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no upload {quoted(batch_id)}: `batch_id` of the answer to an upload is its name")
    return UploadedFile(*row)


def _batches(cursor: Cursor, rows: list[tuple[Any, ...]]) -> list[Batch]:
    """Rows of `_SELECT`, with the versions of their models."""
    hashes = {bundle_hash for row in rows for bundle_hash in row[_MODELS].values()}
    cursor.execute("select bundle_hash, model_version from models where bundle_hash = any(%s)", (sorted(hashes),))
    versions = dict(cursor.fetchall())
    found = []
    for row in rows:
        columns = dict(zip(_COLUMNS, row, strict=True))
        pinned = sorted(columns["models"].items())
        models = tuple(PinnedModel(contract, versions.get(key), key) for contract, key in pinned)
        found.append(Batch(**columns | {"models": models}))
    return found


_COLUMNS = (
    "query_id",
    "batch_id",
    "topic",
    "state",
    "start_offsets",
    "end_offsets",
    "models",
    "policy_version",
    "opened_at",
    "closed_at",
    "verdicts",
    "rejected",
)
_MODELS = _COLUMNS.index("models")
_UPLOADS = "select id, batch_id, uploaded_at, source_name, policy_version, state, total_rows, verdicts from uploads"
_SELECT = sql.SQL("select {} from batches").format(sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))
_HOLDS = sql.SQL(
    "where batch_id = %(batch_id)s"
    " and offset_base + coalesce((start_offsets ->> %(partition)s)::bigint, 0) <= %(place)s"
    " and offset_base + (end_offsets ->> %(partition)s)::bigint > %(place)s limit 1"
)
