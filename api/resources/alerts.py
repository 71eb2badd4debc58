"""`/alerts`: what an administrator should know."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.answers import answer
from api.paging import Number, read_cursor, write_cursor
from api.schemas.batches import Alerts, alert_document
from api.schemas.queries import PageQuery
from api.security import requires
from api.services import services
from netheal.store.alerts import page_of_alerts

alerts = APIBlueprint("alerts", __name__, tag="alerts")


@alerts.get("/alerts")
@alerts.input(PageQuery, location="query")
@alerts.output(Alerts)
@alerts.doc(responses=[503])
@requires("viewer")
def list_alerts(query_data: dict[str, Any]) -> Response:
    """List alerts, newest first."""
    limit, place = query_data["limit"], read_cursor(query_data.get("cursor"), tuple[Number])
    with services().pool.connection() as connection:
        found = page_of_alerts(connection, place[0] if place else None, limit + 1)
    rows = found[:limit]
    following = write_cursor((rows[-1].id,)) if len(found) > limit else None
    return answer({"alerts": [alert_document(row) for row in rows], "next_cursor": following})
