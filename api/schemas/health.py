"""What `/health` answers."""

from apiflask import Schema
from apiflask.fields import Boolean, List, String


class Live(Schema):
    """The API runs."""

    live = Boolean()


class Ready(Schema):
    """Whether all that netheal needs is there."""

    status = String(metadata={"description": "ok or degraded"})
    ready = Boolean()
    reasons = List(String(), metadata={"description": "Why it is not ready; told only to callers who may read"})


class Health(Ready, Live):
    """Both."""
