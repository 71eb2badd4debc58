"""Which channels the settings name, and what is wrong with them, in one sentence."""

from typing import Any

import pytest
from pydantic import SecretStr

from netheal.errors import SettingsError
from netheal.notifications.channels import channels_of
from netheal.settings import Settings

MAIL = {"notify_email_server": "mail.example.org", "notify_email_from": "a@b.org", "notify_email_to": ["c@d.org"]}


def test_without_settings_nobody_is_told(settings: Settings) -> None:
    assert not settings.notify.has_channel and channels_of(settings.notify) == []


def test_each_channel_that_is_set(settings: Settings) -> None:
    named = {"notify_webhook_url": SecretStr("https://example.org/hook"), "notify_syslog_url": "udp://log.example.org"}
    found = settings.replaced(**named, **MAIL).notify
    assert found.has_channel and [channel.name for channel in channels_of(found)] == ["webhook", "email", "syslog"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"notify_webhook_secret": SecretStr("key")}, "NETHEAL_NOTIFY_WEBHOOK_SECRET is set without"),
        ({"notify_webhook_url": SecretStr("http://example.org")}, "NETHEAL_NOTIFY_WEBHOOK_URL must be an https URL"),
        ({"notify_email_to": ["a@b.org"]}, "NETHEAL_NOTIFY_EMAIL_SERVER is empty"),
        (MAIL | {"notify_email_user": "me"}, "NETHEAL_NOTIFY_EMAIL_USER and NETHEAL_NOTIFY_EMAIL_PASSWORD"),
        (MAIL | {"notify_email_security": "none"}, "NETHEAL_NOTIFY_EMAIL_SECURITY is none"),
        ({"notify_syslog_url": "log.example.org:514"}, "NETHEAL_NOTIFY_SYSLOG_URL must be"),
    ],
)
def test_what_is_wrong(settings: Settings, given: dict[str, Any], sentence: str) -> None:
    found = settings.replaced(**given).notify
    assert found.has_channel, "a start would not look at it"
    with pytest.raises(SettingsError, match=sentence):
        channels_of(found)


def test_secrets_are_not_shown(settings: Settings) -> None:
    url = "https://example.org/of-a-secret"
    assert "of-a-secret" not in repr(settings.replaced(notify_webhook_url=SecretStr(url)))
