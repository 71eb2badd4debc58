"""`/alerts`: what an administrator should know."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import BY_ID, read_page
from api.schemas.batches import Alerts, alert_document
from api.schemas.pages import PageQuery
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
        page = read_page(query_data, BY_ID, partial(page_of_alerts, connection))
    return json_response(page.document("alerts", alert_document))
