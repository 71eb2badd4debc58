"""JSON answers that are written by the thousand rows."""

from typing import Any

import msgspec
from flask import Response


def json_response(document: dict[str, Any]) -> Response:
    """A document as JSON: it is written as it is, while `output(schema)` puts its schema into the OpenAPI document."""
    return Response(msgspec.json.encode(document), mimetype="application/json")
