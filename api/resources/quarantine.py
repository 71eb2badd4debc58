"""`/quarantine`: messages that were not scored, and why."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import BY_EVENT, filters_of, read_page
from api.resources.predictions import LAST_ID, served_since
from api.schemas.quarantine import Quarantine, RejectedDetail, bytes_document, rejected_document
from api.schemas.queries import QuarantineQuery
from api.security import requires
from api.services import services
from netheal.errors import NotFound
from netheal.store.events import find_rejected_event
from netheal.store.rejected import RejectedFilter, page_of_rejected
from netheal.store.totals import read_totals

quarantine = APIBlueprint("quarantine", __name__, tag="quarantine")

_NOT_ARCHIVED = "the archive does not have this row yet: all of its bytes can be read when its batch is finished"


@quarantine.get("/quarantine")
@quarantine.input(QuarantineQuery, location="query")
@quarantine.output(Quarantine)
@quarantine.doc(responses=[503])
@requires("viewer")
def list_rejected(query_data: dict[str, Any]) -> Response:
    """List rejected rows of the hot window, newest first, and count those there ever were by reason."""
    wanted = RejectedFilter(**filters_of(query_data))
    with services().pool.connection() as connection:
        page = read_page(query_data, BY_EVENT, partial(page_of_rejected, connection, wanted))
        reasons = read_totals(connection).of("rejected")
    return json_response(page.document("rejected", rejected_document, reasons=reasons, served_since=served_since()))


@quarantine.get("/quarantine/<int:event_id>")
@quarantine.output(RejectedDetail)
@quarantine.doc(responses=[404, 503])
@requires("viewer")
def show_rejected(event_id: int) -> Response:
    """Show one rejected row with all of its bytes."""
    known = event_id <= LAST_ID
    event = find_rejected_event(services().pool, services().quarantine, event_id) if known else None
    if event is None:
        raise NotFound(f"event {event_id} was not rejected: see GET /api/v1/predictions/{event_id}")
    whole = event.whole or {"value": None, "key": None}
    raw = {name: bytes_document(whole[name]) for name in ("value", "key")}
    return json_response({**rejected_document(event.rejected), **raw, "note": None if event.whole else _NOT_ARCHIVED})
