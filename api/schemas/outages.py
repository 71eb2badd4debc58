"""What the API says of outages."""

from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Integer, List, Nested, String

from api.schemas.pages import PageSchema
from api.schemas.times import iso_utc
from netheal.store.outages import Outage


class OutageDocument(Schema):
    """Something that was away, failed or was lost, from when until when."""

    id = Integer(required=True)
    subject = String(required=True, metadata={"description": "What: broker, postgres, job, or another word"})
    reason = String(required=True, metadata={"description": "Why, as it was seen first"})
    details = Dict(
        required=True,
        keys=String(),
        metadata={"description": "Where a batch is at fault: batch_id, offsets (partition, start, end), attempts"},
    )
    started_at = String(required=True, metadata={"format": "date-time"})
    ended_at = String(
        required=True, allow_none=True, metadata={"format": "date-time", "description": "null while it lasts"}
    )


class Outages(PageSchema):
    """Outages, newest first."""

    outages = List(Nested(OutageDocument), required=True)


def outage_document(outage: Outage) -> dict[str, Any]:
    """An outage as `OutageDocument`."""
    return {
        "id": outage.id,
        "subject": outage.subject,
        "reason": outage.reason,
        "details": outage.details,
        "started_at": iso_utc(outage.started_at),
        "ended_at": iso_utc(outage.ended_at),
    }
