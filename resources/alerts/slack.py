"""Slack's incoming webhooks, and what takes the same JSON: Mattermost, Rocket.Chat, Discord's `/slack`.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

from resources.alerts.message import Alert
from resources.alerts.webhook import post_json

_SIGNS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
_ENDED = ":large_green_circle:"


def send_slack(alert: Alert, url: str, *, variable: str) -> None:
    """Post an alert as a message."""
    post_json(url, slack_payload(alert), variable=variable)


def slack_payload(alert: Alert) -> dict[str, object]:
    """Write an alert as the body of an incoming webhook.

    Text alone, without blocks: that is what every receiver of this format shows.
    """
    sign = _ENDED if alert.state == "resolved" else _SIGNS[alert.severity]
    lines = [f"{sign} *{escaped(alert.subject)}*", escaped(alert.place)]
    lines += [f"• {escaped(line)}" for line in alert.lines]
    if alert.link:
        lines.append(f"<{escaped(alert.link)}|Open in Driftline>")
    # `unfurl_links`: Slack's servers would fetch the address of a report.
    return {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}


def escaped(text: str) -> str:
    """Write untrusted text so that it is shown as it is: no links, and nobody is called.

    Slack's control characters are written as entities; a mark after '@' keeps Mattermost from
    calling everybody in '@all'.

    Examples
    --------
    >>> escaped("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    entities = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return entities.replace("@", "@\u200b")
