"""ASGI guard of the web UI: only its own pages may change something, and only under a name that it was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names under which a browser on this machine reaches a server that listens on loopback."""

SAFE_METHODS = frozenset({"GET", "HEAD"})

JSON = "application/json"
"""Body of a request that changes something: a page of another site cannot send it without asking first."""

DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443, "ws": 80, "wss": 443}

HEADERS: Mapping[str, str] = {
    # Another site's page cannot show the UI in a frame of its own and let it be clicked.
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer; one that the application sets itself stays."""

CLOSED_BY_POLICY = 1008
"""Code of a WebSocket that is refused (RFC 6455, 7.4.1)."""


@dataclass(frozen=True)
class Refusal:
    """Refusal of a request.

    Attributes
    ----------
    status
        HTTP status.
    text
        What was wrong, and how to repair it.
    """

    status: int
    text: str


class WebGuard:
    """Middleware that refuses what a page of another site could send through a person's browser.

    The web UI has no login: whoever reaches it may start runs. A browser on the same machine reaches it for every
    page that it shows, so requests must name a known host (against DNS rebinding), come from the UI's own pages
    (`Origin`, `Sec-Fetch-Site`), and change things by POST with a JSON body only (which other sites' forms cannot
    send). A client that is no browser sends neither `Origin` nor `Sec-Fetch-Site` and is let in by its host.

    Parameters
    ----------
    app
        What is guarded.
    allowed_hosts
        Names in `Host`, without ports, in lower case.
    allowed_origins
        Further origins of the UI's own pages, such as that of a proxy that writes its own `Host`: `https://name:port`.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Collection[str], allowed_origins: Collection[str] = ()
    ) -> None:
        self._app = app
        self._hosts = frozenset(allowed_hosts)
        self._origins = frozenset(filter(None, map(_authority, allowed_origins)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self.refusal_of(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": CLOSED_BY_POLICY, "reason": refusal.text[:120]})
        else:
            await PlainTextResponse(f"{refusal.text}\n", refusal.status)(scope, receive, send)

    def refusal_of(self, scope: Scope) -> Refusal | None:
        """Return why a request is refused; None where it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _host_name(host)
        if name not in self._hosts:
            return Refusal(
                421,
                f"the host {host[:100]!r} is not one of this server's names. Open http://localhost:<port>, "
                "or start the server with --allowed-host NAME.",
            )
        is_websocket = scope["type"] == "websocket"
        method = "GET" if is_websocket else scope["method"]
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            return Refusal(403, f"a page of {origin[:100]!r} may not use this server.")
        if not _is_same_site(headers, is_navigation=method in SAFE_METHODS and not is_websocket):
            return Refusal(403, "a page of another site may not use this server. Open its address itself.")
        if is_websocket:
            return None
        if method not in SAFE_METHODS:
            return _refusal_of_change(method, headers)
        if scope["path"].rstrip("/").endswith("/graphql") and "text/html" not in headers.get("accept", ""):
            return Refusal(405, f"GraphQL is asked by POST with a body of {JSON}.")
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Tell whether an origin is that of the host that was asked, or of a known proxy before it."""
        authority = _authority(origin)
        scheme = urlsplit(origin).scheme if authority else ""
        return authority is not None and (
            authority in self._origins or authority == _authority(f"{scheme}://{host}")
        )


def _refusal_of_change(method: str, headers: Headers) -> Refusal | None:
    if method != "POST":
        return Refusal(405, f"{method[:20]} is not a method of this server.")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        return Refusal(415, f"a POST has a body of the type {JSON}, not {kind[:60] or 'none'!r}.")
    return None


def _is_same_site(headers: Headers, *, is_navigation: bool) -> bool:
    """Tell whether a browser says that one of the UI's own pages asks; a link that is followed may come from anywhere.

    Browsers that are too old for `Sec-Fetch-Site` are judged by their `Origin` alone.
    """
    site = headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return True
    return (
        is_navigation
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port; '' where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _authority(url: str) -> tuple[str, int | None] | None:
    """Return host and port of a URL, with the scheme's port where it names none; None where it has no host."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
