"""The API as the commands call it: an answer is JSON, a refusal one sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from netheal.bundles.intake.validate_file import print_report
from netheal.embedded.running import running_api_url
from netheal.errors import NethealError, ServiceUnavailable
from netheal.settings import Settings

_PREFIX = "/api/v1"
_CONNECT_S = 5.0
_ANSWER_S = 60.0
_UPLOAD_S = 600.0


class Refused(NethealError):
    """The API said no: do what it says."""

    def __init__(self, message: str, status: int, code: str, details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details: dict[str, Any] = details if isinstance(details, dict) else {}


class ApiClient:
    """Calls the API that the settings name, with the token they name; never with one of a command line."""

    def __init__(self, settings: Settings) -> None:
        self.url = (settings.client.url or _own_url(settings)).rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor ~/.netrc has a say in where a token goes
        token = settings.client.token.get_secret_value()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """`path` is what comes after /api/v1, beginning with a slash. Raises Refused or ServiceUnavailable."""
        return self._call("GET", path, params=query)

    def get_all(self, path: str, key: str, **query: Any) -> Any:
        """The same of a list that comes in pages: the first page's answer, with all entries under `key`."""
        answer = self.get(path, **query)
        cursor = answer.pop("next_cursor", None)
        while cursor is not None:
            page = self.get(path, **query, cursor=cursor)
            answer[key] += page[key]
            cursor = page["next_cursor"]
        return answer

    def post(self, path: str, document: Any = None) -> Any:
        """Send a JSON document."""
        return self._call("POST", path, json=document)

    def delete(self, path: str, **query: Any) -> Any:
        """Delete what is there."""
        return self._call("DELETE", path, params=query)

    def upload(self, path: str, file: Path, fields: Mapping[str, str] | None = None) -> Any:
        """Send a file, as the field `file` of a form."""
        with file.open("rb") as source:
            return self._call(
                "POST", path, files={"file": (file.name, source)}, data=dict(fields or {}), timeout=_UPLOAD_S
            )

    def _call(self, method: str, path: str, timeout: float = _ANSWER_S, **what: Any) -> Any:
        try:
            answer = self._session.request(
                method, self.url + _PREFIX + path, timeout=(_CONNECT_S, timeout), allow_redirects=False, **what
            )
        except requests.RequestException as error:
            raise ServiceUnavailable(
                f"no API answers at {self.url} ({type(error).__name__}): start `netheal up` or set NETHEAL_API_URL"
            ) from error
        return _document(answer)


def upload_model(
    client: ApiClient, file: Path, model_type: str, beside: Mapping[str, Path | None], description: str
) -> dict[str, Any]:
    """Hand in a bundle; the model as the API has it. Of one that is refused the report is shown before Refused."""
    fields = {"model_type": model_type, "description": description}
    fields |= {name: path.read_text("utf-8") for name, path in beside.items() if path is not None}
    try:
        return dict(client.upload("/models/upload", file, fields))
    except Refused as refused:
        validation = refused.details.get("validation_results")
        if validation:
            print_report(f"{file.name} as {model_type}", validation)
        raise


def _document(answer: requests.Response) -> Any:
    try:
        document = answer.json() if answer.content else None
    except ValueError:
        document = None
    if answer.ok and answer.status_code < 300:
        return document
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        raise Refused(f"{answer.url} is no API of netheal: it answered {answer.status_code}", answer.status_code, "")
    message = str(error.get("message", answer.reason))
    details = error.get("details")
    if answer.status_code == 422 and details and "validation_results" not in details:
        message += f": {_flat(details)}"
    if answer.status_code == 401:
        message += "; NETHEAL_API_TOKEN is what is sent"
    raise Refused(message, answer.status_code, str(error.get("code", "")), details)


def _flat(details: Any) -> str:
    """The details of a refused document, as `field: what is wrong` parted by semicolons."""
    if isinstance(details, dict):
        return "; ".join(f"{name}: {_flat(value)}" for name, value in details.items())
    if isinstance(details, list):
        return ", ".join(map(_flat, details))
    return str(details)


def _own_url(settings: Settings) -> str:
    return running_api_url(settings.paths.var_dir) or _configured_url(settings)


def _configured_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api.host, settings.api.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api.port}"
