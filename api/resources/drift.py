"""`/drift`: how far the stream's traffic lies from the training of the models that score it."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.paging import BY_ID, read_page
from api.schemas.drift import Drift, DriftWindows, DriftWindowsQuery, model_drift_document, window_document
from api.security import requires
from api.services import services
from netheal.drift.window import ALARM_PSI, NOTE_PSI
from netheal.store.drift import bundle_hash_of, drift_of_active_models, page_of_windows

drift = APIBlueprint("drift", __name__, tag="drift")


@drift.get("/drift")
@drift.output(Drift)
@drift.doc(responses=[503])
@requires("viewer")
def show_drift() -> Response:
    """Show the last judged window of each active model, with the features that moved most."""
    with services().pool.connection() as connection:
        found = drift_of_active_models(connection)
    models = [model_drift_document(model) for model in found]
    return json_response({"note_psi": NOTE_PSI, "alarm_psi": ALARM_PSI, "models": models})


@drift.get("/drift/windows")
@drift.input(DriftWindowsQuery, location="query")
@drift.output(DriftWindows)
@drift.doc(responses=[404, 503])
@requires("viewer")
def list_drift_windows(query_data: dict[str, Any]) -> Response:
    """List judged windows, newest first."""
    model_id = query_data.get("model_id")
    with services().pool.connection() as connection:
        bundle_hash = None if model_id is None else bundle_hash_of(connection, model_id)
        page = read_page(query_data, BY_ID, partial(page_of_windows, connection, bundle_hash))
    return json_response(page.document("windows", window_document))
