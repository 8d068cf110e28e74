"""JSON is posted to a real HTTP server, and the secret address stays secret."""

import logging
import traceback

import pytest

from resources.alerts.message import AlertError
from resources.alerts.webhook import send_webhook
from tests.fixtures.alerts import ALERT
from tests.fixtures.receivers import webhook

VARIABLE = "DRIFTLINE_ALERT_WEBHOOK"


def test_the_webhook_gets_the_alert_once() -> None:
    with webhook(200) as (url, received):
        send_webhook(ALERT, url, variable=VARIABLE)
    (post,) = received
    assert post.headers["Content-Type"] == "application/json"
    assert post.body["id"] == post.headers["Idempotency-Key"] == ALERT.identity
    expected = {
        "state": "firing", "severity": "critical", "pipeline": "flight_delays", "partition": "2013-07-01",
        "title": "Performance lost", "occurred_at": "2013-08-01T00:00:00+00:00", "link": ALERT.link,
        "findings": list(ALERT.findings), "action": ALERT.action, "text": "\n".join(ALERT.lines),
    }  # fmt: skip
    assert post.body.items() >= expected.items()


@pytest.mark.parametrize(
    ("status", "is_refusal"), [(302, False), (400, True), (404, True), (429, False), (503, False)]
)
def test_anything_but_success_is_an_error(status: int, is_refusal: bool) -> None:
    with webhook(status) as (url, received), pytest.raises(AlertError, match=f"HTTP {status}") as caught:
        send_webhook(ALERT, url, variable=VARIABLE)
    # A redirect is not followed, and a failure is not repeated here: the outbox does that.
    assert len(received) == 1
    assert caught.value.is_refusal is is_refusal


def test_nobody_there_is_no_refusal() -> None:
    with webhook(200) as (url, _):
        pass
    with pytest.raises(AlertError, match="ConnectionRefusedError") as caught:
        send_webhook(ALERT, url, variable=VARIABLE)
    assert not caught.value.is_refusal


@pytest.mark.parametrize(
    "address", ["ftp://host/secret", "secret", "http://", "http://[secret", "http://host:port/secret", "http://a b/secret\n"]
)  # fmt: skip
def test_what_is_no_address_is_said_without_it(address: str) -> None:
    with pytest.raises(AlertError, match=VARIABLE) as caught:
        send_webhook(ALERT, address, variable=VARIABLE)
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace("http://a", "")


def test_the_address_is_in_no_log_and_in_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), webhook(500) as (url, _), pytest.raises(AlertError) as caught:
        send_webhook(ALERT, url, variable=VARIABLE)
    assert "/services/" not in caplog.text
    assert "/services/" not in "".join(traceback.format_exception(caught.value))
