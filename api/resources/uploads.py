"""`/upload`: flow files that are scored at once, by the path that the stream takes; `/uploads`: their rows."""

import re
from functools import partial
from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response, request

from api.errors import Refusal
from api.json_response import json_response
from api.paging import BY_ID, read_page
from api.schemas.uploads import FlowAnswer, FlowFileForm, FlowFileQuery, FlowRows, FlowRowsQuery
from api.security import actor, body_limit, requires, upload_rate
from api.services import services
from netheal.contracts import contracts_in_force
from netheal.errors import NotFound
from netheal.store.batches import get_upload
from netheal.store.model_contracts import model_contracts
from netheal.uploads.flow_file import MAX_BYTES
from netheal.uploads.refusal import FileRefused
from netheal.uploads.stored_rows import stored_rows
from netheal.uploads.upload_store import Uploader

uploads = APIBlueprint("uploads", __name__, tag="uploads")
_ENVELOPE_BYTES = 2**20
_NAME_CHARS = 200
_BATCH_ID = re.compile(r"\w{1,64}", re.ASCII)
_STATUS = {"too_large": 413, "too_many_rows": 413, "no_active_model": 409}
_ANSWERS: dict[int | str, Any] = {
    200: {
        "description": "What became of the rows, scored or rejected",
        "content": {"application/json": {"schema": FlowAnswer}},
    }
}


@uploads.post("/upload/csv")
@uploads.input(FlowFileQuery, location="query")
@uploads.input(FlowFileForm, location="files")
@uploads.doc(responses=_ANSWERS)
@requires("analyst")
@body_limit(MAX_BYTES + _ENVELOPE_BYTES)
@upload_rate
def upload_csv(query_data: dict[str, Any], files_data: dict[str, Any]) -> Response:
    """Score the rows of a CSV and store the verdicts."""
    _require_one_file()
    file = files_data["file"]
    try:
        answer = services().flows.score(file.stream, Uploader(actor(), _shown(file.filename)), query_data["limit"])
    except FileRefused as refused:
        raise Refusal(_STATUS.get(refused.code, 422), refused.code, str(refused), refused.details) from refused
    rest = None if answer.complete else BY_ID.cursor_behind(answer.last_shown)
    return Response(answer.body(rest), mimetype="application/json")


@uploads.get("/uploads/<batch_id>/predictions")
@uploads.input(FlowRowsQuery, location="query")
@uploads.output(FlowRows)
@uploads.doc(responses=[404, 503])
@requires("viewer")
def list_rows(batch_id: str, query_data: dict[str, Any]) -> Response:
    """List the scored rows of an uploaded file, in the order of the file."""
    if not _BATCH_ID.fullmatch(batch_id):
        raise NotFound("there is no such upload: `batch_id` of the answer to an upload is its name")
    at = services()
    with at.pool.connection() as connection:
        upload = get_upload(connection, batch_id)
        contracts = contracts_in_force(model_contracts(connection))
    page = read_page(query_data, BY_ID, partial(stored_rows, at.verdicts, upload, contracts))
    return json_response(
        page.document(
            "predictions",
            lambda row: msgspec.Raw(row.document),
            batch_id=upload.batch_id,
            total_rows=upload.total_rows,
        )
    )


def _require_one_file() -> None:
    sent = len(request.files.getlist("file"))
    if sent > 1:
        raise Refusal(422, "invalid", f"{sent} files were sent: upload them one by one")


def _shown(name: str | None) -> str:
    """A client's file name as text for people."""
    return "".join(filter(str.isprintable, name or ""))[:_NAME_CHARS]
