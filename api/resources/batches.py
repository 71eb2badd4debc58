"""`/batches`: what each micro-batch read, used and gave."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import Microseconds, Name, Number, SortKey, from_microseconds, read_page, to_microseconds
from api.schemas.batches import Batches, batch_document
from api.schemas.pages import PageQuery
from api.security import requires
from api.services import services
from netheal.store.batches import BatchPosition, page_of_batches

batches = APIBlueprint("batches", __name__, tag="batches")

_BY_OPENING: SortKey[BatchPosition] = SortKey(
    tuple[Microseconds, Name, Number],
    lambda batch: (to_microseconds(batch.opened_at), batch.query_id, batch.batch_id),
    lambda key: (from_microseconds(key[0]), key[1], key[2]),
)


@batches.get("/batches")
@batches.input(PageQuery, location="query")
@batches.output(Batches)
@batches.doc(responses=[503])
@requires("viewer")
def list_batches(query_data: dict[str, Any]) -> Response:
    """List the stream's micro-batches, newest first."""
    with services().pool.connection() as connection:
        page = read_page(query_data, _BY_OPENING, partial(page_of_batches, connection))
    return json_response(page.document("batches", batch_document))
