"""E-mail against a real SMTP server."""

import pytest

from netheal.errors import SettingsError
from netheal.notifications.channel import DeliveryFailed
from netheal.notifications.mail import Account, Mail
from netheal.notifications.message import Message
from tests.notification_servers import Certificate, mail_server

SENDER, RECIPIENTS = "netheal@example.org", ["soc@example.org", "on-call@example.org"]


def test_a_mail_has_subject_text_and_an_id_of_its_own(message: Message) -> None:
    with mail_server() as server:
        Mail(server.address, "none", SENDER, RECIPIENTS).send(message)
    (mail,) = server.mails
    assert mail["Subject"] == "[netheal] PortScan: 312 rows from 5 addresses"
    assert mail["Message-ID"] == "<netheal-17@example.org>" and mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == message.text.splitlines()
    assert server.ways == [(False, "", SENDER, RECIPIENTS)]


def test_login_goes_over_tls_that_is_verified(message: Message, certificate: Certificate) -> None:
    account = Account("netheal", "pass word")
    with mail_server(certificate, ("netheal", "pass word")) as server:
        with pytest.raises(DeliveryFailed, match=r"(?i)certificate"):
            Mail(server.address, "starttls", SENDER, RECIPIENTS, account).send(message)
        Mail(server.address, "starttls", SENDER, RECIPIENTS, account, certificate.trust).send(message)
        assert server.ways == [(True, "netheal", SENDER, RECIPIENTS)]
        wrong = Account("netheal", "another")
        with pytest.raises(DeliveryFailed, match="535") as failure:
            Mail(server.address, "starttls", SENDER, RECIPIENTS, wrong, certificate.trust).send(message)
        assert "another" not in str(failure.value)


def test_a_server_without_starttls_gets_nothing(message: Message) -> None:
    with mail_server() as server:
        address = server.address.replace("127.0.0.1", "localhost")
        with pytest.raises(DeliveryFailed, match="STARTTLS"):
            Mail(address, "starttls", SENDER, RECIPIENTS).send(message)
    assert not server.mails


def test_what_strangers_wrote_adds_no_header_and_no_recipient(hostile: Message) -> None:
    with mail_server() as server:
        Mail(server.address, "none", SENDER, RECIPIENTS).send(hostile)
    (mail,) = server.mails
    assert server.ways[0][3] == RECIPIENTS and "Bcc" not in mail
    assert sorted(mail.keys()) == sorted(set(mail.keys())), "a header stands twice"
    assert "\n" not in mail["Subject"] and "victim" in mail["Subject"]


def test_a_server_that_is_away_is_a_failure(message: Message) -> None:
    with mail_server() as server:
        address = server.address
    with pytest.raises(DeliveryFailed, match="refused"):
        Mail(address, "none", SENDER, RECIPIENTS).send(message)


@pytest.mark.parametrize(
    ("server", "security", "sender", "recipients", "named"),
    [
        ("mail.example.org", "none", SENDER, RECIPIENTS, "SECURITY"),
        ("a b", "tls", SENDER, RECIPIENTS, "SERVER"),
        ("", "tls", SENDER, RECIPIENTS, "SERVER"),
        ("mail.example.org", "tls", "nobody", RECIPIENTS, "FROM"),
        ("mail.example.org", "tls", SENDER, [], "TO"),
        ("mail.example.org", "tls", SENDER, ["a@b\r\nBcc: c@d"], "TO"),
        ("mail.example.org", "tls", SENDER, ["a@b, c@d"], "TO"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    server: str, security: str, sender: str, recipients: list[str], named: str
) -> None:
    with pytest.raises(SettingsError, match=f"NETHEAL_NOTIFY_EMAIL_{named}") as wrong:
        Mail(server, security, sender, recipients)  # type: ignore[arg-type]
    assert "\n" not in str(wrong.value)
