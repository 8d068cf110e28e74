"""Real servers on loopback that take alerts: HTTP and SMTP, on free ports."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass(frozen=True)
class Post:
    """One request that a webhook got."""

    path: str
    headers: dict[str, str]
    body: dict[str, object]


@contextmanager
def webhook(*statuses: int) -> Iterator[tuple[str, list[Post]]]:
    """Serve a webhook that answers with each status in turn, the last one for ever."""
    received: list[Post] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses[min(len(received), len(statuses) - 1)]
            received.append(Post(self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """What a mail server took, and where it listens."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: object, _session: object, envelope: object, address: str, _options: object
    ) -> str:
        if address in self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)  # type: ignore[attr-defined]
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.SMTP)  # type: ignore[attr-defined]
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.receivers.append(list(envelope.rcpt_tos))  # type: ignore[attr-defined]
        return "250 OK"


@contextmanager
def mail_server(
    *,
    certificate: Certificate | None = None,
    password: str | None = None,
    refuses: frozenset[str] = frozenset(),
) -> Iterator[Mailbox]:
    """Serve SMTP; with a certificate only after STARTTLS, with a password only after the login of `driftline`."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticate(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        is_known = (data.login, data.password) == (b"driftline", (password or "").encode())
        return AuthResult(success=is_known, handled=False)

    mailbox = Mailbox(refuses=refuses)

    class AnyPort(Controller):
        def _trigger_server(self) -> None:
            self.port = mailbox.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = AnyPort(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        tls_context=certificate.server_context() if certificate else None,
        require_starttls=certificate is not None,
        authenticator=authenticate if password else None,
        auth_required=password is not None,
        auth_require_tls=certificate is not None,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass(frozen=True)
class Certificate:
    """A certificate of 127.0.0.1 that nobody else trusts."""

    file: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file)
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make a key and a certificate that it signed itself."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(file)
