"""What the API says of micro-batches, uploads, alerts and policies."""

from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Float, Integer, List, Nested, String
from apiflask.validators import OneOf

from api.schemas.pages import PageSchema
from api.schemas.times import iso_utc
from netheal.store.alerts import Alert as StoredAlert
from netheal.store.batches import Batch as StoredBatch
from netheal.store.batches import UploadedFile

_TIME = {"format": "date-time"}


class OffsetRange(Schema):
    """Offsets of a partition; `end` is not included."""

    partition = Integer(required=True)
    start = Integer(required=True)
    end = Integer(required=True)


class BatchModel(Schema):
    """The model that took the rows of a contract."""

    contract = String(required=True)
    version = String(required=True, allow_none=True)
    hash = String(required=True)


class Batch(Schema):
    """A row of the ledger."""

    query_id = String(required=True)
    batch_id = Integer(required=True)
    topic = String(required=True)
    state = String(required=True, validate=OneOf(("open", "done")))
    offsets = List(Nested(OffsetRange), required=True)
    models = List(Nested(BatchModel), required=True)
    policy_version = String(required=True)
    verdicts = Integer(required=True, allow_none=True)
    rejected = Integer(required=True, allow_none=True)
    opened_at = String(required=True, metadata=_TIME)
    closed_at = String(required=True, allow_none=True, metadata=_TIME)
    duration_ms = Float(required=True, allow_none=True)
    rows_per_s = Float(required=True, allow_none=True)


class Batches(PageSchema):
    """Micro-batches, newest first."""

    batches = List(Nested(Batch), required=True)


class Upload(Schema):
    """The file that a row came in."""

    id = Integer(required=True)
    batch_id = String(required=True)
    uploaded_at = String(required=True, metadata=_TIME)
    source_name = String(required=True)
    state = String(required=True)


class Alert(Schema):
    """What an administrator was told."""

    id = Integer(required=True)
    timestamp = String(required=True, metadata=_TIME)
    action_type = String(required=True)
    description = String(required=True)
    params = Dict(required=True)
    status = String(required=True)
    model_id = Integer(required=True, allow_none=True)


class Alerts(PageSchema):
    """Alerts, newest first."""

    alerts = List(Nested(Alert), required=True)


class Policy(Schema):
    """A healing policy as it was when something was decided by it."""

    version = String(required=True)
    document = Dict(required=True)
    first_used_at = String(required=True, metadata=_TIME)


def batch_document(batch: StoredBatch) -> dict[str, Any]:
    """A micro-batch as `Batch`."""
    return {
        "query_id": batch.query_id,
        "batch_id": batch.batch_id,
        "topic": batch.topic,
        "state": batch.state,
        "offsets": [
            {"partition": int(partition), "start": batch.start_offsets.get(partition, 0), "end": end}
            for partition, end in sorted(batch.end_offsets.items(), key=lambda item: int(item[0]))
        ],
        "models": [{"contract": m.contract, "version": m.version, "hash": m.hash} for m in batch.models],
        "policy_version": batch.policy_version,
        "verdicts": batch.verdicts,
        "rejected": batch.rejected,
        "opened_at": iso_utc(batch.opened_at),
        "closed_at": iso_utc(batch.closed_at),
        "duration_ms": None if batch.seconds is None else round(batch.seconds * 1000, 1),
        "rows_per_s": None if batch.rows_per_s is None else round(batch.rows_per_s, 1),
    }


def upload_document(upload: UploadedFile) -> dict[str, Any]:
    """An uploaded file as `Upload`."""
    return {
        "id": upload.id,
        "batch_id": upload.batch_id,
        "uploaded_at": iso_utc(upload.uploaded_at),
        "source_name": upload.source_name,
        "state": upload.state,
    }


def alert_document(alert: StoredAlert) -> dict[str, Any]:
    """An alert as `Alert`."""
    return {
        "id": alert.id,
        "timestamp": iso_utc(alert.at),
        "action_type": alert.action_type,
        "description": alert.description,
        "params": alert.params,
        "status": alert.status,
        "model_id": alert.model_id,
    }
