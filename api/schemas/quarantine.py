"""What the API says of rejected rows."""

from base64 import b64encode
from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Integer, List, Nested, String
from apiflask.validators import OneOf

from api.schemas.pages import PageSchema
from api.schemas.times import SERVED_SINCE, iso_utc
from netheal.store.rejected import Rejected


class Bytes(Schema):
    """Raw bytes: as text, what is not UTF-8 replaced, and in base64."""

    text = String(required=True)
    base64 = String(required=True)


class QuarantinedRow(Schema):
    """A message that was not scored, and why."""

    event_id = Integer(required=True)
    timestamp = String(required=True, metadata={"format": "date-time"})
    topic = String(required=True)
    partition = Integer(required=True)
    offset = Integer(required=True)
    reason = String(required=True)
    field = String(
        required=True,
        metadata={
            "description": "The feature at fault, or `timestamp`, the record's own; empty where it is the whole row"
        },
    )
    detail = String(required=True)
    batch_id = Integer(required=True)
    head = Nested(Bytes, required=True, allow_none=True, metadata={"description": "The first 256 bytes"})
    replayed_at = String(
        required=True,
        allow_none=True,
        metadata={"format": "date-time", "description": "When `netheal replay` last scored it again; null for never"},
    )
    replay_result = String(
        required=True,
        allow_none=True,
        validate=OneOf(["accepted", "rejected"]),
        metadata={"description": "Of that: an accepted row has a verdict, `GET /predictions/{event_id}`"},
    )


class Quarantine(PageSchema):
    """Rejected rows, newest first, and how many there ever were of each reason."""

    rejected = List(Nested(QuarantinedRow), required=True)
    reasons = Dict(required=True, keys=String(), values=Integer())
    served_since = String(required=True, metadata=SERVED_SINCE)


class RejectedDetail(QuarantinedRow):
    """A rejected row with all of its bytes, once its batch is committed; `note` says why they are not there."""

    value = Nested(Bytes, required=True, allow_none=True)
    key = Nested(Bytes, required=True, allow_none=True)
    note = String(required=True, allow_none=True)


def bytes_document(raw: bytes | None) -> dict[str, str] | None:
    """Bytes as `Bytes`."""
    if raw is None:
        return None
    return {"text": raw.decode("utf-8", "replace"), "base64": b64encode(raw).decode()}


def rejected_document(row: Rejected) -> dict[str, Any]:
    """A rejected row as `QuarantinedRow`."""
    return {
        "event_id": row.event_id,
        "timestamp": iso_utc(row.recorded_at),
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "reason": row.reason,
        "field": row.field,
        "detail": row.detail,
        "batch_id": row.batch_id,
        "head": bytes_document(row.head),
        "replayed_at": None if row.replayed_at is None else iso_utc(row.replayed_at),
        "replay_result": row.replay_result,
    }
