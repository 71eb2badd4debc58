"""Messages by e-mail."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from netheal.errors import SettingsError
from netheal.loopback import is_loopback, split_host
from netheal.notifications.channel import ANSWER_S, DeliveryFailed
from netheal.notifications.message import Message
from netheal.wording import printable

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SUBJECT_CHARS = 200
_SHOWN_CHARS = 200


@dataclass(frozen=True)
class Account:
    """Who logs in at the mail server; without a user nobody does."""

    user: str = ""
    password: str = ""


class Mail:
    """A mail server, whose certificate is verified, and who gets the mails.

    Raises SettingsError where an address or the server's is none, or a password would go over the network in clear.
    """

    name = "email"

    def __init__(
        self,
        server: str,
        security: Literal["starttls", "tls", "none"],
        sender: str,
        recipients: Sequence[str],
        account: Account | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`trust` says which certificates are good, the system's unless given."""
        host, port = split_host(server)
        if not host or not host.isprintable() or " " in host:
            raise SettingsError("NETHEAL_NOTIFY_EMAIL_SERVER must be host or host:port of a mail server")
        if security == "none" and not is_loopback(host):
            raise SettingsError("NETHEAL_NOTIFY_EMAIL_SECURITY is none: only a mail server on this machine may have it")
        if not recipients:
            raise SettingsError("NETHEAL_NOTIFY_EMAIL_TO is empty: name at least one address")
        self._from = _address("NETHEAL_NOTIFY_EMAIL_FROM", sender)
        self._to = tuple(_address("NETHEAL_NOTIFY_EMAIL_TO", recipient) for recipient in recipients)
        self._host, self._port, self._security = host, port or _PORTS[security], security
        self._account = account or Account()
        self._trust = trust

    def send(self, message: Message) -> None:
        """See `Channel`. A recipient that the server refuses fails the message only where it refuses all of them."""
        mail = self._compose(message)
        try:
            with self._connection() as connection:
                connection.send_message(mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryFailed(f"the mail server did not take the message: {_reason(error)}") from None

    def _compose(self, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self._from, self._to
        mail["Subject"] = f"[netheal] {printable(message.title, _SUBJECT_CHARS)}"
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<netheal-{message.id}@{self._from.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text + "\n")
        return mail

    def _connection(self) -> smtplib.SMTP:
        if self._security == "none":
            connection: smtplib.SMTP = smtplib.SMTP(self._host, self._port, timeout=ANSWER_S)
        else:
            trust = self._trust or ssl.create_default_context()
            if self._security == "tls":
                connection = smtplib.SMTP_SSL(self._host, self._port, timeout=ANSWER_S, context=trust)
            else:
                connection = smtplib.SMTP(self._host, self._port, timeout=ANSWER_S)
        try:
            if self._security == "starttls":
                connection.starttls(context=trust)
            if self._account.user:
                connection.login(self._account.user, self._account.password)
        except BaseException:
            connection.close()
            raise
        return connection


def _address(setting: str, text: str) -> Address:
    try:
        found = Address(addr_spec=text)
        if not found.username or not found.domain or not text.isprintable():
            raise ValueError
    except (ValueError, IndexError, MessageError):
        raise SettingsError(f"{setting}: {printable(text, _SHOWN_CHARS)} is no mail address") from None
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {printable(str(said), _SHOWN_CHARS)}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it refuses every recipient"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text or type(error).__name__, _SHOWN_CHARS)
