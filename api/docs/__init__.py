"""The page that shows the OpenAPI document: files of this package and of flask-swagger-ui, nothing from elsewhere."""

from pathlib import Path

import flask_swagger_ui
from apiflask import APIBlueprint
from flask import Response, send_from_directory

from api.query_parameters import ignores_query
from api.security import public, rate_limit_exempt

docs = APIBlueprint("docs", __name__, enable_openapi=False)

_OWN = Path(__file__).parent
_UI = Path(flask_swagger_ui.__file__).parent / "dist"
_FILES = {
    "init.js": _OWN,
    "theme.js": _OWN,
    "swagger-ui-bundle.js": _UI,
    "swagger-ui.css": _UI,
    "favicon-32x32.png": _UI,
}


@docs.get("/docs")
@public
@rate_limit_exempt
@ignores_query
def page() -> Response:
    """The page."""
    return send_from_directory(_OWN, "index.html")


@docs.get("/docs/<name>")
@public
@rate_limit_exempt
@ignores_query
def file(name: str) -> Response:
    """A file of the page; there are no others."""
    return send_from_directory(_FILES.get(name, _OWN / "none"), name)
