"""`/batches`: what each micro-batch read, used and gave."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.answers import answer
from api.paging import Microseconds, Name, Number, from_microseconds, read_cursor, to_microseconds, write_cursor
from api.schemas.batches import Batches, batch_document
from api.schemas.queries import PageQuery
from api.security import requires
from api.services import services
from netheal.store.batches import BatchPosition, page_of_batches

batches = APIBlueprint("batches", __name__, tag="batches")


@batches.get("/batches")
@batches.input(PageQuery, location="query")
@batches.output(Batches)
@batches.doc(responses=[503])
@requires("viewer")
def list_batches(query_data: dict[str, Any]) -> Response:
    """List the stream's micro-batches, newest first."""
    limit, before = query_data["limit"], _position(query_data.get("cursor"))
    with services().pool.connection() as connection:
        found = page_of_batches(connection, before, limit + 1)
    rows, following = found[:limit], None
    if len(found) > limit:
        following = write_cursor((to_microseconds(rows[-1].opened_at), rows[-1].query_id, rows[-1].batch_id))
    return answer({"batches": [batch_document(row) for row in rows], "next_cursor": following})


def _position(cursor: str | None) -> BatchPosition | None:
    place = read_cursor(cursor, tuple[Microseconds, Name, Number])
    return None if place is None else (from_microseconds(place[0]), place[1], place[2])
