"""What `/health` answers."""

from apiflask import Schema
from apiflask.fields import Boolean, List, Nested, String

from api.schemas.outages import OutageDocument


class Live(Schema):
    """The API runs."""

    live = Boolean()


class Ready(Schema):
    """Whether all that netheal needs is there."""

    status = String(
        metadata={
            "enum": ["ok", "starting", "degraded"],
            "description": "starting: nothing is wrong, the job is still starting",
        }
    )
    ready = Boolean(metadata={"description": "Whether the status is ok"})
    reasons = List(String(), metadata={"description": "Why it is not ready; told only to callers who may read"})
    notes = List(
        String(), metadata={"description": "What to look at while every row is scored all the same; told likewise"}
    )
    recent_outages = List(
        Nested(OutageDocument),
        metadata={"description": "Of the last day, newest first, whether over or not; told likewise"},
    )


class Health(Ready, Live):
    """Both."""
