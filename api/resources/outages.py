"""`/outages`: what was away, failed or was lost, and for how long."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.answers import answer
from api.paging import Number, read_cursor, write_cursor
from api.schemas.outages import Outages, outage_document
from api.schemas.queries import PageQuery
from api.security import requires
from api.services import services
from netheal.store.outages import page_of_outages

outages = APIBlueprint("outages", __name__, tag="outages")


@outages.get("/outages")
@outages.input(PageQuery, location="query")
@outages.output(Outages)
@outages.doc(responses=[503])
@requires("viewer")
def list_outages(query_data: dict[str, Any]) -> Response:
    """List outages, newest first; one that lasts has no end."""
    limit, place = query_data["limit"], read_cursor(query_data.get("cursor"), tuple[Number])
    with services().pool.connection() as connection:
        found = page_of_outages(connection, place[0] if place else None, limit + 1)
    rows = found[:limit]
    following = write_cursor((rows[-1].id,)) if len(found) > limit else None
    return answer({"outages": [outage_document(row) for row in rows], "next_cursor": following})
