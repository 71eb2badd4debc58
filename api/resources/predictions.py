"""`/predictions`: verdicts, newest first, one by one, and counted."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import BY_EVENT, filters_of, read_page
from api.schemas.counts import (
    CountSummary,
    Stats,
    Timeline,
    stats_document,
    summary_document,
    timeline_document,
)
from api.schemas.prediction_detail import PredictionDetail, detail_document
from api.schemas.predictions import Predictions, prediction_document
from api.schemas.queries import PredictionsQuery, TimelineQuery
from api.schemas.receipts import Receipt
from api.schemas.times import iso_utc
from api.security import requires
from api.services import services
from netheal.errors import NotFound
from netheal.receipts.document import receipt_document
from netheal.store.events import find_verdict_event
from netheal.store.partitions import serving_since
from netheal.store.predictions import PredictionFilter, page_of_verdicts
from netheal.store.totals import read_minutes, read_summary, read_totals

predictions = APIBlueprint("predictions", __name__, tag="predictions")

RECENT = 100
LAST_ID = 2**53 - 1
"""The largest integer that a browser reads exactly."""


@predictions.get("/predictions")
@predictions.input(PredictionsQuery, location="query")
@predictions.output(Predictions)
@predictions.doc(responses=[503])
@requires("viewer")
def list_predictions(query_data: dict[str, Any]) -> Response:
    """List verdicts of the hot window, newest first."""
    wanted = PredictionFilter(**filters_of(query_data))
    with services().pool.connection() as connection:
        page = read_page(query_data, BY_EVENT, partial(page_of_verdicts, connection, wanted))
    return json_response(page.document("predictions", prediction_document, served_since=served_since()))


@predictions.get("/predictions/stats")
@predictions.output(Stats)
@predictions.doc(responses=[503])
@requires("viewer")
def stats() -> Response:
    """Count everything: the same cost with ten rows or a hundred million."""
    with services().pool.connection() as connection:
        totals = read_totals(connection)
        recent = page_of_verdicts(connection, PredictionFilter(), limit=RECENT)
    return json_response({**stats_document(totals), "recent_predictions": [prediction_document(row) for row in recent]})


@predictions.get("/predictions/timeline")
@predictions.input(TimelineQuery, location="query")
@predictions.output(Timeline)
@predictions.doc(responses=[503])
@requires("viewer")
def timeline(query_data: dict[str, Any]) -> Response:
    """Count by the minute, for charts."""
    minutes, now = query_data["minutes"], datetime.now(UTC)
    with services().pool.connection() as connection:
        found = read_minutes(connection, now, minutes)
    return json_response(timeline_document(found, now))


@predictions.get("/predictions/summary")
@predictions.input(TimelineQuery, location="query")
@predictions.output(CountSummary)
@predictions.doc(responses=[503])
@requires("viewer")
def summary(query_data: dict[str, Any]) -> Response:
    """Count in total, over the last minutes and by the minute, all as of one moment."""
    at, now = services(), datetime.now(UTC)
    with at.pool.connection() as connection:
        found = read_summary(connection, at.settings.stream.input_topic, now, query_data["minutes"])
    return json_response(summary_document(found, now))


@predictions.get("/predictions/<int:event_id>")
@predictions.output(PredictionDetail)
@predictions.doc(responses=[404, 503])
@requires("viewer")
def show_prediction(event_id: int) -> Response:
    """Show one verdict with its features, its envelope, and where it came from."""
    known = event_id <= LAST_ID
    event = find_verdict_event(services().pool, services().verdicts, event_id) if known else None
    if event is None:
        raise NotFound(f"there is no verdict of event {event_id}: was it rejected? See GET /api/v1/quarantine")
    return json_response(detail_document(event))


@predictions.get("/predictions/<int:event_id>/receipt")
@predictions.output(Receipt)
@predictions.doc(responses=[404, 409, 503])
@requires("viewer")
def show_receipt(event_id: int) -> Response:
    """Score one stored row again, compare the verdicts bit by bit, and say why its models answer as they do."""
    return json_response(receipt_document(services().receipts.of_event(event_id)))


def served_since() -> str:
    """Where lists of rows begin."""
    return iso_utc(serving_since(services().settings.stream.serving_days))
