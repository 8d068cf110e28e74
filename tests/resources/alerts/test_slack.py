"""Slack gets what its documentation of incoming webhooks asks for."""

from dataclasses import replace

from resources.alerts.slack import send_slack, slack_payload
from tests.fixtures.alerts import ALERT
from tests.fixtures.receivers import webhook


def test_the_body_is_that_of_an_incoming_webhook() -> None:
    with webhook(200) as (url, received):
        send_slack(ALERT, url, variable="DRIFTLINE_ALERT_SLACK")
    (post,) = received
    assert post.headers["Content-Type"] == "application/json"
    assert str(post.body["text"]).splitlines() == [
        ":red_circle: *[critical] flight_delays: Performance lost*",
        "flight_delays, window 2013-07-01",
        "• roc_auc is 0.64 and was 0.71 &lt;b&gt;&amp; more&lt;/b&gt;",
        "• Driftline trains a challenger, because performance was lost.",
        "<http://127.0.0.1:3000/assets/flight_delays/drift_report?view=partitions&amp;partition=2013-07-01|Open in Driftline>",
    ]


def test_untrusted_text_calls_nobody_and_links_nowhere() -> None:
    evil = replace(ALERT, findings=("<!channel> <http://evil.example|win> @here &lt;",), link=None)
    text = str(slack_payload(evil)["text"])
    assert "<" not in text
    assert "@here" not in text
    # Written once: what looks like an entity is shown as it stands in the data.
    assert "&amp;lt;" in text


def test_a_resolved_incident_is_green() -> None:
    text = str(slack_payload(replace(ALERT, state="resolved"))["text"])
    assert text.startswith(":large_green_circle: *[resolved] flight_delays")
