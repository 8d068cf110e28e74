"""E-mail by SMTP; the server and the login come from the environment."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal, get_args

from resources.alerts.message import Alert, AlertError

Tls = Literal["starttls", "tls", "none"]

TIMEOUT_S = 10.0

PORTS: Mapping[Tls, int] = {"starttls": 587, "tls": 465, "none": 25}
"""Ports of submission (RFC 6409), of submission over TLS (RFC 8314), and of plain relays."""


@dataclass(frozen=True)
class MailServer:
    """Mail server that takes our mail.

    Attributes
    ----------
    host, port
        The server (`DRIFTLINE_SMTP_HOST`, `DRIFTLINE_SMTP_PORT`).
    tls
        `starttls`, `tls` from the first byte, or `none` (`DRIFTLINE_SMTP_TLS`).
    user, password
        The login (`DRIFTLINE_SMTP_USER`, `DRIFTLINE_SMTP_PASSWORD`); None without one.
    """

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def mail_server(environment: Mapping[str, str]) -> MailServer:
    """Read the server from environment variables.

    Raises
    ------
    AlertError
        If there is none, or the variables contradict each other.

    Examples
    --------
    >>> mail_server({"DRIFTLINE_SMTP_HOST": "mail.example.org"}).port
    587
    """
    host = environment.get("DRIFTLINE_SMTP_HOST", "").strip()
    if not host:
        raise AlertError("DRIFTLINE_SMTP_HOST is not set: it names the server that takes our mail.")
    wished = environment.get("DRIFTLINE_SMTP_TLS") or "starttls"
    if wished not in get_args(Tls):
        raise AlertError(f"DRIFTLINE_SMTP_TLS is '{wished}'. Allowed: {', '.join(get_args(Tls))}.")
    tls: Tls = wished  # type: ignore[assignment]  # narrowed by the check above
    port = environment.get("DRIFTLINE_SMTP_PORT") or str(PORTS[tls])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise AlertError(f"DRIFTLINE_SMTP_PORT is '{port}', which is no port.")
    user, password = environment.get("DRIFTLINE_SMTP_USER"), environment.get("DRIFTLINE_SMTP_PASSWORD")
    if bool(user) != bool(password):
        raise AlertError("of DRIFTLINE_SMTP_USER and DRIFTLINE_SMTP_PASSWORD one is set. Set both or none.")
    if not f"{user}{password}".isascii():
        raise AlertError(
            "DRIFTLINE_SMTP_USER and DRIFTLINE_SMTP_PASSWORD cannot hold other than ASCII signs."
        )
    if user and tls == "none":
        raise AlertError(
            "DRIFTLINE_SMTP_TLS=none would send the password in clear. Use starttls or tls, or no login."
        )
    return MailServer(host, int(port), tls, user or None, password or None)


def mail_message(alert: Alert, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Write an alert as a message of plain text; the same alert has the same Message-ID."""
    message = EmailMessage()
    message["Subject"] = alert.subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(alert.occurred_at)
    message["Message-ID"] = f"<{alert.identity}@{sender.rpartition('@')[2]}>"
    # Keeps absence notices from answering (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    lines = [alert.place, "", *alert.lines]
    message.set_content("\n".join([*lines, *(["", alert.link] if alert.link else [])]) + "\n")
    return message


def send_mail(
    alert: Alert,
    server: MailServer,
    *,
    sender: str,
    to: Sequence[str],
    trusted: ssl.SSLContext | None = None,
) -> None:
    """Send an alert to all receivers, in one message.

    Parameters
    ----------
    alert
        What to tell.
    server
        Who takes it.
    sender, to
        Addresses.
    trusted
        Certificates that are trusted; by default those that the machine trusts.

    Raises
    ------
    AlertError
        If the server cannot be reached or takes the message for nobody.
    """
    message = mail_message(alert, sender=sender, to=to)
    try:
        with _connected(server, trusted or ssl.create_default_context()) as session:
            refused = session.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise _refusal(server, f"all receivers were refused ({', '.join(map(str, codes))})", codes) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise _refusal(server, f"{type(error).__name__} {error.smtp_code}", [error.smtp_code]) from error
    except (OSError, smtplib.SMTPException) as error:
        code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
        raise _refusal(server, f"{type(error).__name__}{code}", []) from error
    if refused:
        # The others have it: sending it again would reach them twice.
        logging.getLogger("driftline.alerts").warning(
            "%d of %d receivers were refused", len(refused), len(to)
        )


def _connected(server: MailServer, trusted: ssl.SSLContext) -> smtplib.SMTP:
    if server.tls == "tls":
        session: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=trusted)
    else:
        session = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.tls == "starttls":
            session.starttls(context=trusted)
        if server.user and server.password:
            session.login(server.user, server.password)
    except BaseException:
        session.close()
        raise
    return session


def _refusal(server: MailServer, problem: str, codes: Sequence[int]) -> AlertError:
    """Return the server's answer in words; from 500 on it is for good (RFC 5321, 4.2.1)."""
    return AlertError(
        f"the mail server {server.host}:{server.port} (DRIFTLINE_SMTP_HOST) did not take the alert: {problem}.",
        is_refusal=bool(codes) and min(codes) >= 500,
    )
