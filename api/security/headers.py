"""What every answer tells a browser: run nothing but our own files, be framed by nobody, keep nothing."""

from flask import Flask, Response, request

from api.security.allowed_hosts import AllowedHosts
from netheal.settings import Settings

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_CORS = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Expose-Headers": "Retry-After, Content-Disposition, X-Netheal-Note",
    "Access-Control-Max-Age": "600",
}


def register_headers(app: Flask, settings: Settings) -> None:
    """Put the headers on every answer of the app."""
    allowed_hosts = AllowedHosts.of(settings)

    def add(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        _add_cors(response, allowed_hosts)
        return response

    app.after_request(add)


def _add_cors(response: Response, allowed_hosts: AllowedHosts) -> None:
    """Let the pages that the setting api_origins names read the answer; our own need no leave."""
    origin = request.headers.get("Origin", "")
    if origin.lower() in allowed_hosts.origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.update(_CORS)
    if allowed_hosts.origins:
        response.vary.add("Origin")
