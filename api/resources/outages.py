"""`/outages`: what was away, failed or was lost, and for how long."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import BY_ID, read_page
from api.schemas.outages import Outages, outage_document
from api.schemas.pages import PageQuery
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
    with services().pool.connection() as connection:
        page = read_page(query_data, BY_ID, partial(page_of_outages, connection))
    return json_response(page.document("outages", outage_document))
