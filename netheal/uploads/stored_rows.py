"""The scored rows of an uploaded file, read back from where they are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

import pyarrow as pa

from netheal.contracts import Contract, wire_contracts
from netheal.store.archive import Archive, BatchRows
from netheal.store.batches import UploadedFile
from netheal.uploads.row_documents import row_documents
from netheal.uploads.upload_store import TOPIC


@dataclass(frozen=True)
class StoredRow:
    """A row by its event id, and as JSON: what the answer to the upload said of it, but for its line."""

    id: int
    document: bytes


def stored_rows(archive: Archive, upload: UploadedFile, after: int | None, limit: int) -> list[StoredRow]:
    """The first `limit` scored rows of an upload behind event id `after`, in the order of the file.

    Raises ServiceUnavailable where Delta cannot be read.
    """
    rows = BatchRows(TOPIC, upload.id, upload.uploaded_at.astimezone(UTC))
    verdicts = archive.of_batch(rows, after or 0, limit)
    lines = [None] * verdicts.num_rows
    documents = row_documents(verdicts, list(_with_columns(verdicts)), upload.batch_id, lines)
    return [StoredRow(*pair) for pair in zip(verdicts["event_id"].to_pylist(), documents, strict=True)]


def _with_columns(verdicts: pa.Table) -> Iterable[Contract]:
    """The contracts of which the file had every column."""
    for contract in wire_contracts():
        if all(verdicts[column].null_count < verdicts.num_rows for column in contract.columns):
            yield contract
