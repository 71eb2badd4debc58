"""The webhook against a real HTTP server."""

import hashlib
import hmac
import threading

import pytest
import requests

from netheal.errors import SettingsError
from netheal.notifications.channel import DeliveryFailed
from netheal.notifications.message import Message
from netheal.notifications.webhook import MESSAGE_ID, SIGNATURE, TIMESTAMP, Webhook
from tests.notification_servers import Certificate, webhook_server


def test_a_message_comes_as_json_signed_with_the_time(message: Message) -> None:
    with webhook_server() as server:
        Webhook(server.url, "key", clock=lambda: 1_700_000_000.9).send(message)
    (came,) = server.posted
    assert came.document == message.document() and came.document["text"].startswith("PortScan: 312 rows")
    assert came.headers[MESSAGE_ID] == "17" and came.headers[TIMESTAMP] == "1700000000"
    expected = hmac.new(b"key", b"1700000000." + came.body, hashlib.sha256).hexdigest()
    assert came.headers[SIGNATURE] == f"sha256={expected}"


def test_without_a_key_nothing_is_signed(message: Message) -> None:
    with webhook_server() as server:
        Webhook(server.url).send(message)
    assert SIGNATURE not in server.posted[0].headers


def test_what_strangers_wrote_stays_inside_the_document(hostile: Message) -> None:
    with webhook_server() as server:
        Webhook(server.url, "key").send(hostile)
    assert len(server.posted) == 1 and server.posted[0].document == hostile.document()
    assert "Bcc" not in server.posted[0].headers


def test_a_redirect_is_not_followed(message: Message) -> None:
    with webhook_server() as other, webhook_server() as server:
        server.answer, server.headers = 307, {"Location": other.url}
        with pytest.raises(DeliveryFailed, match="redirects"):
            Webhook(server.url, "key").send(message)
        assert not other.posted


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_any_other_answer_is_a_failure(message: Message, status: int) -> None:
    with webhook_server() as server:
        server.answer = status
        with pytest.raises(DeliveryFailed, match=str(status)):
            Webhook(server.url).send(message)


def test_a_certificate_that_nobody_signed_is_refused_and_a_known_one_taken(
    message: Message, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook_server(certificate) as server:
        with pytest.raises(DeliveryFailed, match=r"(?i)certificate|SSL"):
            Webhook(server.url).send(message)
        assert not server.posted
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.file))
        Webhook(server.url).send(message)
        assert len(server.posted) == 1


def test_a_failure_does_not_tell_the_url(message: Message) -> None:
    with webhook_server() as server:
        url = f"{server.url}/secret-path"
    with pytest.raises(DeliveryFailed) as failure:
        Webhook(url).send(message)
    assert "secret" not in str(failure.value) and "refused" in str(failure.value)


def test_a_server_that_says_nothing_is_given_up(message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netheal.notifications.webhook.ANSWER_S", 0.2)
    free = threading.Event()
    with webhook_server() as server:
        server.before_answer = lambda: free.wait(5)
        with pytest.raises(DeliveryFailed, match="does not answer"):
            Webhook(server.url).send(message)
        free.set()


@pytest.mark.parametrize(
    "url", ["http://example.org/hook", "ftp://x/", "https://", "https:///x", "no url", "https://a b/", "https://h:x/"]
)
def test_a_url_that_is_none_or_in_clear_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="NETHEAL_NOTIFY_WEBHOOK_URL"):
        Webhook(url)


def test_no_credentials_are_taken_from_netrc(
    message: Message, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests.sessions, "get_netrc_auth", lambda *_: ("somebody", "their password"))
    with webhook_server() as server:
        Webhook(server.url).send(message)
    assert "Authorization" not in server.posted[0].headers
