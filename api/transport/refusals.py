"""What gunicorn refuses before the application sees it, in the shape of the API's errors."""

import json
from http import HTTPStatus

from gunicorn.http import errors

from api.errors import error_body, error_code
from api.security.headers import SECURITY_HEADERS

_STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)


def refusal(error: Exception) -> bytes:
    """A whole answer, after which the connection ends."""
    status, message = _told(error)
    body = json.dumps(error_body(error_code(status), message)).encode()
    headers = {
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        **SECURITY_HEADERS,
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def is_the_clients(error: Exception) -> bool:
    """Whether the request is at fault, and not we."""
    return isinstance(error, errors.ParseException) and not isinstance(error, _OURS)


def _told(error: Exception) -> tuple[HTTPStatus, str]:
    if not is_the_clients(error):
        return HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong inside; the log of the API says what"
    return _STATUS.get(type(error), HTTPStatus.BAD_REQUEST), f"this is no request of HTTP/1.1: {error}"
