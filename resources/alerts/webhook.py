"""JSON by HTTP POST: Driftline's own webhook, and the way that Slack's goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from resources.alerts.message import Alert, AlertError

TIMEOUT_S = 10.0

BUSY = (408, 425, 429)
"""Answers of the client's fault that are not about what was sent: later it may be taken."""


class _NoRedirect(HTTPRedirectHandler):
    """Handler that takes a redirect for a failure: one could carry the alert to a host nobody configured."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def send_webhook(alert: Alert, url: str, *, variable: str) -> None:
    """Post an alert's values; a receiver that keeps the header `Idempotency-Key` can drop repetitions."""
    post_json(url, alert.payload(), variable=variable, headers={"Idempotency-Key": alert.identity})


def post_json(
    url: str, body: Mapping[str, object], *, variable: str, headers: Mapping[str, str] | None = None
) -> None:
    """Post one JSON document.

    Parameters
    ----------
    url
        http or https. A secret: whoever knows it can write to the channel, so that no error names it.
    body
        The document.
    variable
        Environment variable that the URL comes from; errors name it.
    headers
        Beside the content type.

    Raises
    ------
    AlertError
        If the URL is none, nobody answers, or the answer is no success.
    """
    if not url.startswith(("https://", "http://")):
        raise AlertError(f"{variable} is no URL: it must begin with https:// or http://.")
    problem, is_refusal = _post(
        url,
        json.dumps(body, allow_nan=False).encode(),
        {"Content-Type": "application/json", **(headers or {})},
    )
    if problem:
        # Without the cause: its text and its traceback may hold the URL.
        raise AlertError(
            f"the address in {variable} did not take the alert: {problem}.", is_refusal=is_refusal
        )


def _post(url: str, content: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Return what went wrong, and whether it is about this document; not httpx, which logs every URL."""
    opener = build_opener(_NoRedirect)
    try:
        request = Request(url, data=content, headers=dict(headers), method="POST")
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            is_success = 200 <= answer.status < 300
            return ("" if is_success else f"HTTP {answer.status}"), False
    except HTTPError as error:
        with error:
            return f"HTTP {error.code}", 400 <= error.code < 500 and error.code not in BUSY
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return type(reason).__name__, False
