"""The channels that the settings name."""

from collections.abc import Iterator

from netheal.errors import SettingsError
from netheal.notifications.channel import Channel
from netheal.notifications.mail import Account, Mail
from netheal.notifications.syslog import Syslog
from netheal.notifications.webhook import Webhook
from netheal.settings.components import NotifySettings


def channels_of(settings: NotifySettings) -> list[Channel]:
    """All of them, none where nobody is to be told; raises SettingsError where one cannot work as it is set."""
    return list(_channels(settings))


def _channels(settings: NotifySettings) -> Iterator[Channel]:
    url, secret = settings.webhook_url.get_secret_value(), settings.webhook_secret.get_secret_value()
    if url:
        yield Webhook(url, secret)
    elif secret:
        raise SettingsError("NETHEAL_NOTIFY_WEBHOOK_SECRET is set without NETHEAL_NOTIFY_WEBHOOK_URL: set that, too")
    account = Account(settings.email_user, settings.email_password.get_secret_value())
    if bool(account.user) != bool(account.password):
        raise SettingsError("NETHEAL_NOTIFY_EMAIL_USER and NETHEAL_NOTIFY_EMAIL_PASSWORD go together: set both or none")
    if settings.email_server:
        yield Mail(settings.email_server, settings.email_security, settings.email_from, settings.email_to, account)
    elif settings.email_to or settings.email_from or account.user:
        raise SettingsError("NETHEAL_NOTIFY_EMAIL_SERVER is empty, though other settings of e-mail are not: set it")
    if settings.syslog_url:
        yield Syslog(settings.syslog_url)
