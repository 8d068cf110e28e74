"""E-mail goes through a real SMTP server, by STARTTLS and with a login where they are set."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from resources.alerts.mail import MailServer, mail_message, send_mail
from resources.alerts.mail import mail_server as settings
from resources.alerts.message import AlertError
from tests.fixtures.alerts import ALERT
from tests.fixtures.receivers import Certificate, mail_server, make_certificate

TO, SENDER = ("ops@example.org", "data@example.org"), "driftline@example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_all_receivers_get_one_message() -> None:
    with mail_server() as mailbox:
        send_mail(ALERT, MailServer("127.0.0.1", mailbox.port, "none"), sender=SENDER, to=TO)
    (mail,) = mailbox.mails
    assert mailbox.receivers == [list(TO)]
    assert mail["Subject"] == "[critical] flight_delays: Performance lost"
    assert mail["From"] == SENDER
    assert mail["Message-ID"] == f"<{ALERT.identity}@example.org>"
    assert mail["Date"] == "Thu, 01 Aug 2013 00:00:00 +0000"
    lines = mail.get_content().splitlines()
    assert lines == ["flight_delays, window 2013-07-01", "", *ALERT.lines, "", ALERT.link]


def test_starttls_and_login(certificate: Certificate) -> None:
    trusted = ssl.create_default_context(cafile=certificate.file)
    with mail_server(certificate=certificate, password="secret") as mailbox:
        server = MailServer("127.0.0.1", mailbox.port, "starttls", "driftline", "secret")
        with pytest.raises(AlertError, match="SMTPAuthenticationError"):
            send_mail(ALERT, replace(server, password="wrong"), sender=SENDER, to=TO, trusted=trusted)
        with pytest.raises(AlertError, match="SSLCertVerificationError"):
            send_mail(ALERT, server, sender=SENDER, to=TO)
        send_mail(ALERT, server, sender=SENDER, to=TO, trusted=trusted)
    assert len(mailbox.mails) == 1


def test_without_the_demanded_encryption_nothing_is_sent() -> None:
    with mail_server() as mailbox, pytest.raises(AlertError, match="SMTPNotSupportedError"):
        send_mail(ALERT, MailServer("127.0.0.1", mailbox.port, "starttls"), sender=SENDER, to=TO)
    assert not mailbox.mails


def test_a_mailbox_that_does_not_exist_is_a_refusal_unless_others_do() -> None:
    refuses = frozenset({"ops@example.org"})
    with mail_server(refuses=refuses) as mailbox:
        server = MailServer("127.0.0.1", mailbox.port, "none")
        with pytest.raises(AlertError, match="all receivers were refused \\(550\\)") as caught:
            send_mail(ALERT, server, sender=SENDER, to=("ops@example.org",))
        assert caught.value.is_refusal
        send_mail(ALERT, server, sender=SENDER, to=TO)
    assert mailbox.receivers == [["data@example.org"]]


def test_nobody_there_is_no_refusal() -> None:
    with mail_server() as mailbox:
        pass
    with pytest.raises(AlertError, match="ConnectionRefusedError") as caught:
        send_mail(ALERT, MailServer("127.0.0.1", mailbox.port, "none"), sender=SENDER, to=TO)
    assert not caught.value.is_refusal


def test_untrusted_text_adds_no_header() -> None:
    evil = replace(ALERT, title="Drift\r\nBcc: all@example.org\r\n\r\nbody", findings=("a\r\n.\r\nQUIT",))
    mail = mail_message(evil, sender=SENDER, to=TO)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[critical] flight_delays: Drift Bcc: all@example.org body"
    assert "a . QUIT" in mail.get_content().splitlines()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "DRIFTLINE_SMTP_HOST is not set"),
        ({"DRIFTLINE_SMTP_TLS": "ssl"}, "Allowed: starttls, tls, none"),
        ({"DRIFTLINE_SMTP_PORT": "smtp"}, "is no port"),
        ({"DRIFTLINE_SMTP_USER": "u"}, "Set both or none"),
        ({"DRIFTLINE_SMTP_USER": "u", "DRIFTLINE_SMTP_PASSWORD": "geheim", "DRIFTLINE_SMTP_TLS": "none"}, "in clear"),
        ({"DRIFTLINE_SMTP_USER": "u", "DRIFTLINE_SMTP_PASSWORD": "geheimß"}, "other than ASCII"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(environment: dict[str, str], said: str) -> None:
    host = {"DRIFTLINE_SMTP_HOST": "mail"} if environment else {}
    with pytest.raises(AlertError, match=said) as caught:
        settings({**host, **environment})
    assert "geheim" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    server = settings(
        {"DRIFTLINE_SMTP_HOST": "mail", "DRIFTLINE_SMTP_USER": "u", "DRIFTLINE_SMTP_PASSWORD": "geheim"}
    )
    assert server.password == "geheim"
    assert "geheim" not in repr(server)
