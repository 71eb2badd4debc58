"""`/alerts`: what an administrator should know."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.answers import answer
from api.paging import page_by_id
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
    with services().pool.connection() as connection:
        fetch = partial(page_of_alerts, connection)
        rows, following = page_by_id(query_data.get("cursor"), query_data["limit"], fetch)
    return answer({"alerts": [alert_document(row) for row in rows], "next_cursor": following})
