"""One shape for every error: {"error": {"code", "message", "details"}}; no stack trace ever leaves."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from netheal.errors import (
    BundleError,
    Conflict,
    ContractError,
    ModelFailure,
    NethealError,
    NotAllowed,
    NotFound,
    QueryTooBroad,
    ServiceUnavailable,
)
from netheal.telemetry import emit

_STATUS: dict[type[NethealError], tuple[int, str]] = {
    NotFound: (404, "not_found"),
    Conflict: (409, "conflict"),
    NotAllowed: (403, "forbidden"),
    BundleError: (422, "bundle_refused"),
    ContractError: (422, "contract_violated"),
    ModelFailure: (503, "model_failed"),
    ServiceUnavailable: (503, "service_unavailable"),
    QueryTooBroad: (503, "too_broad"),
}
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    414: "url_too_long",
    415: "unsupported_media_type",
    416: "no_such_range",
    417: "unknown_expectation",
    421: "wrong_host",
    422: "invalid",
    429: "too_many_requests",
    431: "head_too_large",
    500: "internal",
    501: "not_implemented",
    503: "service_unavailable",
}

_TOO_MANY_DIGITS = "Exceeds the limit"
"""What Python says of them; its JSON reader has no error of its own for it."""


class Refusal(Exception):
    """An answer that is an error, with what the caller may need to mend the request."""

    def __init__(
        self, status: int, code: str, message: str, details: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = dict(headers or {})


def error_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """The one shape."""
    return {"error": {"code": code, "message": message, "details": details or {}}}


def error_code(status: int) -> str:
    """What an HTTP status is called where nothing more precise is known."""
    return _CODES.get(status, "error")


def failure(error: Exception) -> str:
    """Log an error of our own; what the caller is told of it."""
    emit("api.failed", error=f"{type(error).__name__}: {error}", exc_info=error)
    return "something went wrong inside; the log of the API says what"


def register_errors(app: APIFlask) -> None:
    """Every error that can leave a handler gets the shape."""
    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(NethealError, _netheal_error)
    app.register_error_handler(ClientDisconnected, _client_stalled)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(RecursionError, _too_deep)
    app.register_error_handler(ValueError, _value_error)
    app.register_error_handler(Exception, _unexpected)
    app.error_processor(_apiflask_error)


def _answer(status: int, code: str, message: str, details: Any = None) -> Response:
    response = jsonify(error_body(code, message, details))
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _refusal(error: Refusal) -> Response:
    response = _answer(error.status, error.code, error.message, error.details)
    response.headers.update(error.headers)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _netheal_error(error: NethealError) -> Response:
    status, code = _STATUS.get(type(error), (500, "internal"))
    return _answer(status, code, str(error))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = _answer(status, error_code(status), error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "www-authenticate"):
            response.headers[name] = value
    return response


def _client_stalled(_: ClientDisconnected) -> Response:
    """The body stopped coming, see `api.socket_timeouts`; where the client is gone, nobody reads this."""
    return _answer(408, error_code(408), "the body stopped coming: send it again")


def _too_deep(_: RecursionError) -> Response:
    return _answer(400, "bad_request", "the body is nested too deeply")


def _value_error(error: ValueError) -> Response:
    """Ours, unless it comes of JSON that is well-formed and no reader takes: a number of thousands of digits."""
    if request.is_json and str(error).startswith(_TOO_MANY_DIGITS):
        return _answer(400, "bad_request", "the body has a number of more digits than can be read")
    return _unexpected(error)


def _unexpected(error: Exception) -> Response:
    return _answer(500, error_code(500), failure(error))


def _apiflask_error(error: HTTPError) -> tuple[dict[str, Any], int, Any]:
    code = error_code(error.status_code)
    return error_body(code, error.message or code, error.detail), error.status_code, error.headers
