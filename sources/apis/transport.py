"""Transport of requests: to one host, paced, bounded in size and time, and repeated where what failed may pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, SSLError, Timeout
from requests.exceptions import ConnectionError as LostConnectionError

from sources.apis.faults import Reporter

MAX_PAGE_BYTES = 64 * 1024**2
"""Largest answer, unpacked."""

MAX_WAIT_S = 300.0
"""Longest pause that an API may ask for with Retry-After."""

_TOO_MANY, _FIRST_OF_SERVER = 429, 500
_PASSING = (ChunkedEncodingError, LostConnectionError, ContentDecodingError, Timeout)
_CHUNK_BYTES = 1 << 16
_CLOSING = {b"{": b"}", b"[": b"]"}


@dataclass
class Waiting:
    """What a reading costs the other side, and its own time.

    Attributes
    ----------
    sleep
        Pauses for seconds.
    n_requests, n_retries
        Requests that were sent, and those of them that were sent again.
    waited_s
        Seconds of pauses.
    """

    sleep: Callable[[float], None] = time.sleep
    n_requests: int = 0
    n_retries: int = 0
    waited_s: float = 0.0

    def pause(self, seconds: float) -> None:
        """Pause, and count it."""
        self.waited_s += seconds
        self.sleep(seconds)


class Transport(HTTPAdapter):
    """Sends requests to the host of one URL.

    Retries are made here, and not by dlt's session: that one cuts a long Retry-After short, and does not see what is cut off in
    the middle, or never ends.
    """

    def __init__(
        self,
        url: str,
        reporter: Reporter,
        waiting: Waiting,
        *,
        timeout_s: float,
        max_attempts: int,
        per_second: float | None = None,
    ) -> None:
        super().__init__()
        self._origin = origin_of(url)
        self._reporter = reporter
        self._waiting = waiting
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._pause_s = 1 / per_second if per_second is not None else 0.0
        self._next_at = 0.0

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request until it is answered.

        Raises
        ------
        ApiError
            If it goes to another host, is refused, or is not answered after all attempts.
        """
        del args
        self._refuse_other_host(request.url or "")
        for attempt in range(1, self._max_attempts + 1):
            self._waiting.n_requests += 1
            self._waiting.n_retries += attempt > 1
            wait_s = None
            try:
                response = self._sent(request, kwargs)
            except SSLError as error:
                fault = f"has no certificate that can be trusted ({self._reporter.said(str(error))}). Correct `url`"
                break
            except _PASSING as error:
                fault = f"did not answer, or not to the end ({self._reporter.said(str(error))})"
            else:
                if response.status_code < 400:
                    if response.is_redirect:
                        self._refuse_other_host(request.url or "", response.headers["Location"])
                    return response
                fault = self._refusal(response)
                if response.status_code != _TOO_MANY and response.status_code < _FIRST_OF_SERVER:
                    break
                wait_s = _retry_after_s(response)
                if wait_s is not None and wait_s > MAX_WAIT_S:
                    fault += f", and asks to wait for {wait_s:,.0f} seconds, longer than {MAX_WAIT_S:,.0f}. Run it again then"
                    break
            if attempt < self._max_attempts:
                self._waiting.pause(_wait_s(attempt, wait_s))
        tried = f" It was tried {attempt} times." if attempt > 1 else ""
        # Not in the handler: the error of the library, which is left behind there, may name the whole URL.
        raise self._reporter.error(f"{fault}.{tried}")

    def _refuse_other_host(self, url: str, to: str = "") -> None:
        """Refuse an address elsewhere, or one that a redirect leads to."""
        try:
            origin = origin_of(urljoin(url, to))
        except ValueError:
            origin = to
        if origin != self._origin:
            raise self._reporter.error(
                f"leads to {self._reporter.said(origin)}, but nothing is asked of another host than {self._origin}. "
                "If that is right, write it in the declaration."
            )

    def _sent(self, request: PreparedRequest, kwargs: dict[str, Any]) -> Response:
        if self._pause_s:
            now = time.monotonic()
            if now < self._next_at:
                self._waiting.pause(self._next_at - now)
            self._next_at = max(now, self._next_at) + self._pause_s
        started = time.monotonic()
        response = super().send(request, **{**kwargs, "stream": True, "timeout": self._timeout_s})
        try:
            body = self._body(response, started)
        finally:
            response.close()
        # As `requests` itself leaves a response whose content was read.
        response._content, response._content_consumed = body, True
        if response.status_code < 300 and _is_cut(body):
            raise ChunkedEncodingError("the answer ends in the middle")
        return response

    def _body(self, response: Response, started: float) -> bytes:
        chunks, size = [], 0
        for chunk in response.iter_content(_CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_PAGE_BYTES:
                raise self._reporter.error(
                    f"gives an answer of more than {MAX_PAGE_BYTES // 1024**2} MB. Ask for smaller pages with `paging`."
                )
            if time.monotonic() - started > self._timeout_s:
                raise Timeout(f"longer than {self._timeout_s:g} seconds")
            chunks.append(chunk)
        return b"".join(chunks)

    def _refusal(self, response: Response) -> str:
        said = self._reporter.said(response.content[:100_000].decode("utf-8", "replace"))
        reason = self._reporter.said(f"{response.status_code} {response.reason or ''}")
        return f"answers {reason}{f' ({said})' if said else ''}"


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL.

    Examples
    --------
    >>> origin_of("https://API.example.com/orders?page=2")
    'https://api.example.com:443'
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return f"{scheme}://{parts.hostname}:{parts.port or (443 if scheme == 'https' else 80)}"


def _is_cut(body: bytes) -> bool:
    """Tell whether an answer in JSON ends in the middle, where its length was not told."""
    text = body.strip()
    closing = _CLOSING.get(text[:1])
    return closing is not None and not text.endswith(closing)


def _retry_after_s(response: Response) -> float | None:
    """Return the seconds that an API asks to wait, told in seconds or as a date."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:12])
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _wait_s(attempt: int, asked_s: float | None) -> float:
    """Return the pause before the next attempt; not all at the same instant, where many wait for one server."""
    if asked_s is not None:
        return asked_s + random.uniform(0, 1)
    return float(min(2 ** (attempt - 1), 60) * random.uniform(0.5, 1.5))
