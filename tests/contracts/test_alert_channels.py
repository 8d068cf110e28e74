"""What holds of every alert channel: it tells the whole alert once, as text, and says whether a failure is for good."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import pytest

from declaration.alerts import ChannelSpec
from resources.alerts.channels import SENDERS, Channels
from resources.alerts.message import Alert, AlertError
from tests.fixtures.alerts import ALERT
from tests.fixtures.receivers import Post, mail_server, webhook

SECRET = "geheim"
"""Stands in addresses and logins; never in what is said."""

TO = "ops@example.org"

Environment = Mapping[str, str]
Told = Callable[[], Sequence[str]]
"""What the receiver was told so far: one text a message."""

Receiver = Callable[[], AbstractContextManager[tuple[Environment, Told]]]
"""Runs a receiver, and gives the environment that points there."""


@dataclass(frozen=True)
class Network:
    """What can go wrong on the way to a channel's receiver.

    Attributes
    ----------
    refuses, is_busy
        Receivers that will not have the alert, and that may have it later.
    at
        Environment that points to a port of this machine.
    """

    refuses: Receiver
    is_busy: Receiver
    at: Callable[[int], Environment]


@dataclass(frozen=True)
class Kind:
    """How a channel of one type is tried.

    Attributes
    ----------
    declared
        Its declaration.
    takes
        A receiver that takes everything.
    network
        None for a channel that stays in the process.
    """

    declared: Mapping[str, object]
    takes: Receiver
    network: Network | None = None

    def send(self, alert: Alert = ALERT) -> None:
        """Send an alert, as the sensor does."""
        Channels().send(alert, ChannelSpec.model_validate(self.declared))


class Kept(logging.Handler):
    """Keeps what a logger says."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def log() -> Iterator[tuple[Environment, Told]]:
    logger, handler = logging.getLogger("driftline.alerts"), Kept()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield {}, lambda: handler.texts
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def text_of(post: Post) -> str:
    """Return what a person reads of a post; values beside the text as they are written in JSON."""
    values = [
        json.dumps(post.body[name]) for name in ("severity", "pipeline", "title", "link") if name in post.body
    ]
    return "\n".join([str(post.body["text"]), *values])


@contextmanager
def answers(variable: str, status: int) -> Iterator[tuple[Environment, Told]]:
    with webhook(status) as (url, posts):
        yield {variable: f"{url}/{SECRET}"}, lambda: [text_of(post) for post in posts]


def posting(kind: str, variable: str) -> Kind:
    """Describe a channel that posts JSON to the address in a variable."""
    takes, refuses, is_busy = (partial(answers, variable, status) for status in (200, 404, 503))

    def at(port: int) -> Environment:
        return {variable: f"http://127.0.0.1:{port}/{SECRET}"}

    return Kind({"type": kind}, takes, Network(refuses, is_busy, at))


def mail_at(port: int, tls: str = "starttls") -> Environment:
    server = {
        "DRIFTLINE_SMTP_HOST": "127.0.0.1", "DRIFTLINE_SMTP_PORT": str(port), "DRIFTLINE_SMTP_TLS": tls,
    }  # fmt: skip
    login = {"DRIFTLINE_SMTP_USER": "driftline", "DRIFTLINE_SMTP_PASSWORD": SECRET}
    return server if tls == "none" else {**server, **login}


@contextmanager
def mailbox(refuses: str = "", refusal: str = "") -> Iterator[tuple[Environment, Told]]:
    with mail_server(refuses=frozenset({refuses}), refusal=refusal) as box:
        yield (
            mail_at(box.port, tls="none"),
            lambda: [f"{mail['Subject']}\n{mail.get_content()}" for mail in box.mails],
        )


KINDS: Mapping[str, Kind] = {
    "log": Kind({"type": "log"}, log),
    "webhook": posting("webhook", "DRIFTLINE_ALERT_WEBHOOK"),
    "slack": posting("slack", "DRIFTLINE_ALERT_SLACK"),
    "email": Kind(
        {"type": "email", "to": [TO], "sender": "driftline@example.org"},
        mailbox,
        Network(
            partial(mailbox, TO, "550 no such mailbox"), partial(mailbox, TO, "451 try again later"), mail_at
        ),
    ),
}
"""How each type is tried; a new type has no tests until it stands here, and fails below."""


def kind_of(name: str) -> Kind:
    """Return how a type is tried."""
    assert name in KINDS, f"say above how a channel of type '{name}' is tried"
    return KINDS[name]


@pytest.fixture(params=SENDERS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each type that a declaration may name."""
    return kind_of(request.param)


@pytest.fixture(params=[name for name in SENDERS if name not in KINDS or KINDS[name].network])
def remote(request: pytest.FixtureRequest) -> Kind:
    """Return each type that sends over a network."""
    return kind_of(request.param)


@contextmanager
def pointed(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Iterator[Told]:
    """Run a receiver, with the environment pointing there."""
    with receiver() as (environment, told):
        set_all(monkeypatch, environment)
        yield told


def set_all(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def said(error: AlertError) -> str:
    """Return all that a log could show of an error."""
    return "".join(traceback.format_exception(error))


def test_every_declared_type_is_sent_to() -> None:
    assert set(SENDERS) == set(get_args(ChannelSpec.model_fields["type"].annotation))


def test_the_whole_alert_is_told_once(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with pointed(monkeypatch, kind.takes) as told:
        kind.send()
        (text,) = told()
    for part in (
        "critical",
        "flight_delays",
        "Performance lost",
        "roc_auc is 0.64 and was 0.71",
        ALERT.action,
    ):
        assert part in text
    assert "drift_report?view=partitions" in text


def test_an_end_and_a_test_are_told_too(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with pointed(monkeypatch, kind.takes) as told:
        kind.send(replace(ALERT, state="resolved", link=None))
        kind.send(replace(ALERT, state="test", partition=None, findings=()))
        assert len(told()) == 2


@pytest.mark.parametrize(
    "sign", ["\n", "\r\n", "\x00", "\x1b[31m", "\u2028", "\ud800", "%s %d", "{0}", "é ✓"]
)
def test_hostile_text_arrives_as_text(kind: Kind, monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    evil = f"before{sign}Bcc: all@example.org{sign}after"
    alert = replace(ALERT, title=evil, partition=evil, findings=(evil, f"{sign}.{sign}QUIT"), action=evil)
    with pointed(monkeypatch, kind.takes) as told:
        kind.send(alert)
        kind.send()
        first, second = told()
    assert "before" in first
    assert "after" in first
    # No line of a receiver's begins with what the data says: it forges neither header nor end.
    assert not [line for line in first.splitlines() if line == "." or line.startswith(("Bcc:", "QUIT"))]
    assert "Performance lost" in second


def test_what_is_refused_is_for_good(remote: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pointed(monkeypatch, remote.network.refuses),
        pytest.raises(AlertError, match="did not take the alert") as caught,
    ):
        remote.send()
    assert caught.value.is_refusal
    assert SECRET not in said(caught.value)


def test_what_is_busy_may_take_it_later(remote: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pointed(monkeypatch, remote.network.is_busy),
        pytest.raises(AlertError, match="did not take the alert") as caught,
    ):
        remote.send()
    assert not caught.value.is_refusal
    assert SECRET not in said(caught.value)


@pytest.mark.parametrize("is_listening", [False, True], ids=["nobody there", "never answers"])
def test_who_does_not_answer_is_given_up_and_may_take_it_later(
    remote: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_listening: bool
) -> None:
    for room in ("webhook", "mail"):
        monkeypatch.setattr(f"resources.alerts.{room}.TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server, caplog.at_level(logging.DEBUG):
        set_all(monkeypatch, remote.network.at(server.getsockname()[1]))
        if not is_listening:
            server.close()
        with pytest.raises(AlertError, match=r"DRIFTLINE_\w+.* did not take the alert: \w+\.") as caught:
            remote.send()
    assert not caught.value.is_refusal
    assert SECRET not in said(caught.value) + caplog.text


def test_without_its_address_the_variable_is_named(remote: Kind) -> None:
    with pytest.raises(AlertError, match=r"DRIFTLINE_\w+ is not set") as caught:
        remote.send()
    assert not caught.value.is_refusal


def test_its_name_holds_no_secret(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind.network:
        set_all(monkeypatch, kind.network.at(1))
    channel = ChannelSpec.model_validate(kind.declared)
    assert channel.name.startswith(channel.type)
    assert SECRET not in f"{channel.name} {channel!r}"
