"""The scored rows of an uploaded file, read back from where they are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

import pyarrow as pa

from netheal.contracts import Contract
from netheal.contracts.schema import verdict_schema_of
from netheal.store.archive import Archive, BatchRows
from netheal.store.batches import UploadedFile
from netheal.uploads.row_documents import row_documents
from netheal.uploads.upload_store import TOPIC


@dataclass(frozen=True)
class StoredRow:
    """A row by its event id, and as JSON: what the answer to the upload said of it, but for its line."""

    id: int
    document: bytes


def stored_rows(
    archive: Archive, upload: UploadedFile, contracts: Sequence[Contract], after: int | None, limit: int
) -> list[StoredRow]:
    """The first `limit` scored rows of an upload behind event id `after`, in the order of the file.

    `contracts`: those that a file can have been read for, any model's own among them.
    Raises ServiceUnavailable where Delta cannot be read.
    """
    rows = BatchRows(TOPIC, upload.id, upload.uploaded_at.astimezone(UTC))
    verdicts = archive.of_batch(rows, after or 0, limit, verdict_schema_of(contracts))
    lines = [None] * verdicts.num_rows
    documents = row_documents(verdicts, list(_with_columns(verdicts, contracts)), upload.batch_id, lines)
    return [StoredRow(*pair) for pair in zip(verdicts["event_id"].to_pylist(), documents, strict=True)]


def _with_columns(verdicts: pa.Table, contracts: Sequence[Contract]) -> Iterable[Contract]:
    """The contracts of which the file had every column."""
    for contract in contracts:
        if all(verdicts[column].null_count < verdicts.num_rows for column in contract.columns):
            yield contract
