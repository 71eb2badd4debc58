"""Lists that come page by page: how a page is asked for, and what each answer has beside its rows."""

from apiflask import Schema
from apiflask.fields import Integer, String
from apiflask.validators import Length, Range


class PageQuery(Schema):
    """Which page of a list."""

    limit = Integer(load_default=100, validate=Range(1, 1000))
    cursor = String(
        validate=Length(max=400),
        metadata={"description": "`next_cursor` of the page before"},
    )


class PageSchema(Schema):
    """Part of a list."""

    next_cursor = String(required=True, allow_none=True, metadata={"description": "null on the last page"})
