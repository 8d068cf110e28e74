"""Alerts reach the log always, and a real HTTP server where one is configured."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from resources.alerts import WEBHOOK_ATTEMPTS, Alert, AlertError, Alerts, is_at_least

ALERT = Alert(
    severity="critical",
    pipeline="flight_delays",
    partition="2013-07-01",
    title="Retrain requested",
    text="AUC fell from 0.71 to 0.64 <b>&",
    occurred_at=datetime(2013, 8, 1, tzinfo=UTC),
    event="drift report 17",
)


@contextmanager
def webhook(*statuses: int) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Serve a webhook on loopback that answers with each status in turn, the last one for ever."""
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses[min(len(received), len(statuses) - 1)]
            received.append(json.loads(body) | {"header": self.headers["Idempotency-Key"]})
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
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_alert_is_logged_at_its_severity(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="driftline.alerts"):
        Alerts().send(ALERT)
    assert caplog.records[0].levelno == logging.CRITICAL
    assert "flight_delays/2013-07-01: Retrain requested. AUC fell" in caplog.text


def test_the_webhook_gets_the_alert_once() -> None:
    with webhook(200) as (url, received):
        Alerts(webhook_url=url).send(ALERT)
    assert len(received) == 1
    assert received[0]["text"] == ALERT.text
    assert received[0]["occurred_at"] == "2013-08-01T00:00:00+00:00"
    assert received[0]["id"] == received[0]["header"] == ALERT.identity


def test_a_failing_webhook_is_tried_again() -> None:
    with webhook(503, 200) as (url, received):
        Alerts(webhook_url=url).send(ALERT)
    assert [body["id"] for body in received] == [ALERT.identity] * 2


def test_a_webhook_that_keeps_failing_raises_and_the_log_has_the_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        webhook(500) as (url, received),
        pytest.raises(AlertError, match=r"HTTP 500.*DRIFTLINE_ALERT_WEBHOOK"),
    ):
        Alerts(webhook_url=url).send(ALERT)
    assert len(received) == WEBHOOK_ATTEMPTS
    assert "Retrain requested" in caplog.text


@pytest.mark.parametrize("status", [302, 404])
def test_a_wrong_address_is_not_tried_again_in_vain(status: int) -> None:
    with webhook(status) as (url, _), pytest.raises(AlertError, match=f"HTTP {status}"):
        Alerts(webhook_url=url).send(ALERT)


def test_an_unreachable_webhook_raises() -> None:
    with webhook(200) as (url, _):
        pass
    with pytest.raises(AlertError, match="ConnectError"):
        Alerts(webhook_url=url).send(ALERT)


def test_severities_are_ordered() -> None:
    assert is_at_least("warning", "warning")
    assert not is_at_least("info", "warning")
