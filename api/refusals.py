"""The answer to what gunicorn refuses before the application sees it, in the shape of the API's errors."""

import json
from http import HTTPStatus

from gunicorn.http import errors

from api.errors import error_body, error_code, failure
from api.security.headers import SECURITY_HEADERS

_STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)


def refusal(error: Exception) -> bytes:
    """Returns a whole HTTP response, after which the connection ends. An error of our own is logged."""
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


def _told(error: Exception) -> tuple[HTTPStatus, str]:
    if not isinstance(error, errors.ParseException) or isinstance(error, _OURS):
        return HTTPStatus.INTERNAL_SERVER_ERROR, failure(error)
    return _STATUS.get(type(error), HTTPStatus.BAD_REQUEST), f"this is not a valid HTTP/1.1 request: {error}"
