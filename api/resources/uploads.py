"""`/upload`: flow files that are scored at once, by the path that the stream takes."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from api.errors import Refusal
from api.schemas.uploads import FlowAnswer, FlowFileForm, FlowFileQuery
from api.security import actor, body_limit, requires, upload_rate
from api.services import services
from netheal.uploads.flow_file import MAX_BYTES
from netheal.uploads.refusal import FileRefused
from netheal.uploads.upload_store import Uploader

uploads = APIBlueprint("uploads", __name__, tag="uploads")
_ENVELOPE_BYTES = 2**20
_NAME_CHARS = 200
_STATUS = {"too_large": 413, "too_many_rows": 413, "no_active_model": 409}
_ANSWERS: dict[int | str, Any] = {
    200: {"description": "Every row, scored or rejected", "content": {"application/json": {"schema": FlowAnswer}}}
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
    return Response(answer.body(), mimetype="application/json")


def _require_one_file() -> None:
    sent = len(request.files.getlist("file"))
    if sent > 1:
        raise Refusal(422, "invalid", f"{sent} files were sent: upload them one by one")


def _shown(name: str | None) -> str:
    """A client's file name as text for people."""
    return "".join(filter(str.isprintable, name or ""))[:_NAME_CHARS]
