"""What `POST /traffic` answers."""

from apiflask import Schema
from apiflask.fields import Integer, List, Nested, String


class RefusedItem(Schema):
    """An item that was not sent."""

    index = Integer(metadata={"description": "Its place in the body, from 0"})
    reason = String(metadata={"description": "not_an_object or too_large"})


class TrafficReceipt(Schema):
    """What became of the items of a body."""

    accepted = Integer()
    ids = List(Integer(), metadata={"description": "Event ids of the accepted items, in their order"})
    rejected = List(Nested(RefusedItem))
