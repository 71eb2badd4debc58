"""The dashboard at `/`: one page of plain modules, served as they lie here; what it shows comes from the API."""

from pathlib import Path

from apiflask import APIBlueprint
from flask import Response, send_from_directory

from api.query_parameters import ignores_query
from api.security import public, rate_limit_exempt

dashboard = APIBlueprint("dashboard", __name__, enable_openapi=False)

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Not what the machine's own table says: a browser runs no module that comes with a wrong type."""


@dashboard.get("/")
@public
@rate_limit_exempt
@ignores_query
def page() -> Response:
    """The page; it asks for a token itself where the API does."""
    return file("index.html")


@dashboard.get("/dashboard/<path:name>")
@public
@rate_limit_exempt
@ignores_query
def file(name: str) -> Response:
    """A file of the page: kept by browsers, and asked for anew by its ETag, so that an update is seen at once."""
    return send_from_directory(_STATIC, name, mimetype=_TYPES.get(Path(name).suffix, "text/plain"))
