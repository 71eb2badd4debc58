"""Messages posted to a URL as JSON, signed where a key is set."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from netheal.errors import SettingsError
from netheal.loopback import is_loopback
from netheal.notifications.channel import ANSWER_S, DeliveryFailed
from netheal.notifications.message import Message
from netheal.wording import printable

SIGNATURE = "X-Netheal-Signature"
TIMESTAMP = "X-Netheal-Timestamp"
MESSAGE_ID = "X-Netheal-Message-Id"
_CONNECT_S = 5.0
_SHOWN_CHARS = 200


class Webhook:
    """A URL. Its certificate is verified, redirects are not followed, and no more than its status is read.

    Raises SettingsError for a URL that is not https, unless it is this machine's own.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str = "", clock: Callable[[], float] = time.time) -> None:
        if not _is_sound(url):
            raise SettingsError(
                "NETHEAL_NOTIFY_WEBHOOK_URL must be an https URL (http is for this machine's own addresses)"
            )
        self._url = url
        self._secret = secret.encode()
        self._clock = clock

    def send(self, message: Message) -> None:
        """See `Channel`."""
        body = json.dumps(message.document(), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "netheal", MESSAGE_ID: message.id}
        if self._secret:
            headers |= self._signature(body)
        try:
            with requests.Session() as session:
                session.auth = _unchanged  # no credentials of ~/.netrc
                answer = session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=(_CONNECT_S, ANSWER_S),
                    allow_redirects=False,
                    stream=True,
                )
        except requests.RequestException as error:
            raise DeliveryFailed(f"the webhook does not answer: {_reason(error)}") from None
        if 300 <= answer.status_code < 400:
            raise DeliveryFailed("the webhook redirects, which is not followed: set the URL that it leads to")
        if not answer.ok:
            raise DeliveryFailed(f"the webhook answers {answer.status_code} {printable(answer.reason or '', 60)}")

    def _signature(self, body: bytes) -> dict[str, str]:
        """With the time in it, so that a receiver can refuse what somebody sends again later."""
        at = str(int(self._clock()))
        digest = hmac.new(self._secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {TIMESTAMP: at, SIGNATURE: f"sha256={digest}"}


def _is_sound(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without the URL, which may be a secret: requests' own texts have it in them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return printable(cause.strerror, _SHOWN_CHARS)
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return type(error).__name__
