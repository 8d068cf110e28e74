"""The guard before the web UI: what a browser sends for another site's page is refused, its own pages and programs are not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from driftline.dev.guard import CLOSED_BY_POLICY, LOOPBACK_HOSTS, WebGuard

OWN = "http://localhost:3000"
PROXY = "https://driftline.example"
MUTATION = {"query": "mutation { launchRun }"}


class Reached:
    """An application that answers everything, and tells what reached it."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        headers = [(b"content-security-policy", b"object-src 'none'")] if scope["path"] == "/own" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"reached"})


def guarded(app: Reached) -> WebGuard:
    return WebGuard(app, allowed_hosts=[*LOOPBACK_HOSTS, "driftline.example"], allowed_origins=[PROXY])


def ask(method: str, path: str, *, base: str = OWN, **request: Any) -> httpx.Response:
    app = Reached()

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=guarded(app)), base_url=base
        ) as client:
            return await client.request(method, path, **request)

    answer = asyncio.run(asked())
    assert bool(app.paths) == (answer.status_code == 200)
    return answer


def open_socket(headers: Mapping[str, str]) -> Message:
    """Open a WebSocket; return the first message that the browser is sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(guarded(Reached())(scope, receive, send))
    return sent[0]


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/", {}),
        ("/static/app.js", {"headers": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "script"}}),
        ("/graphql", {"headers": {"Accept": "text/html,*/*"}}),
        # A link in a message is followed.
        (
            "/runs/1",
            {
                "headers": {
                    "Sec-Fetch-Site": "cross-site",
                    "Sec-Fetch-Mode": "navigate",
                    "Sec-Fetch-Dest": "document",
                }
            },
        ),
    ],
)
def test_own_pages_and_followed_links_are_shown(path: str, request_: dict[str, Any]) -> None:
    assert ask("GET", path, **request_).text == "reached"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": PROXY, "Sec-Fetch-Site": "same-origin"},
        {"Content-Type": "application/json; charset=utf-8"},
    ],
    ids=["program", "own page", "page through the proxy", "charset"],
)
def test_json_from_own_pages_and_programs_is_taken(headers: dict[str, str]) -> None:
    assert ask("POST", "/graphql", json=MUTATION, headers=headers).status_code == 200


@pytest.mark.parametrize("base", ["http://127.0.0.1:3000", "http://[::1]:3000", PROXY, "http://LOCALHOST:1"])
def test_known_names_are_answered(base: str) -> None:
    assert ask("GET", "/", base=base).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "said"),
    [
        ("GET", "/graphql", {"params": MUTATION}, 405, "GraphQL is asked by POST"),
        ("HEAD", "/graphql", {"params": MUTATION}, 405, ""),
        ("GET", "/prefix/graphql/", {"params": MUTATION}, 405, "GraphQL is asked by POST"),
        ("POST", "/graphql", {"data": MUTATION}, 415, "'application/x-www-form-urlencoded'"),
        ("POST", "/graphql", {"params": MUTATION}, 415, "not 'none'"),
        (
            "POST",
            "/graphql",
            {"content": "{}", "headers": {"Content-Type": "text/plain"}},
            415,
            "'text/plain'",
        ),
        (
            "POST",
            "/graphql",
            {"content": "{}", "headers": {"Content-Type": "text/plain; application/json"}},
            415,
            "'text/plain'",
        ),
        ("POST", "/report_asset_materialization/a", {"files": {"a": b""}}, 415, "'multipart/form-data'"),
        ("PUT", "/graphql", {"json": MUTATION}, 405, "PUT is not a method"),
        ("OPTIONS", "/graphql", {"headers": {"Origin": "http://evil.example"}}, 403, "evil.example"),
        (
            "POST",
            "/graphql",
            {"json": MUTATION, "headers": {"Origin": "http://evil.example"}},
            403,
            "evil.example",
        ),
        ("POST", "/graphql", {"json": MUTATION, "headers": {"Origin": "null"}}, 403, "'null'"),
        # Another server on this machine is another site's page, though a browser calls it the same site.
        (
            "POST",
            "/graphql",
            {"json": MUTATION, "headers": {"Origin": "http://localhost:8000"}},
            403,
            "localhost:8000",
        ),
        (
            "POST",
            "/graphql",
            {"json": MUTATION, "headers": {"Origin": "http://localhost.evil.example:3000"}},
            403,
            "evil",
        ),
        (
            "POST",
            "/graphql",
            {"json": MUTATION, "headers": {"Sec-Fetch-Site": "cross-site"}},
            403,
            "another site",
        ),
        (
            "GET",
            "/logs/a",
            {"headers": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}},
            403,
            "another site",
        ),
        (
            "GET",
            "/",
            {
                "headers": {
                    "Sec-Fetch-Site": "cross-site",
                    "Sec-Fetch-Mode": "navigate",
                    "Sec-Fetch-Dest": "iframe",
                }
            },
            403,
            "",
        ),
        ("GET", "/", {"headers": {"Host": "evil.example:3000"}}, 421, "--allowed-host"),
        ("GET", "/", {"headers": {"Host": "localhost.evil.example"}}, 421, "--allowed-host"),
        ("GET", "/", {"headers": {"Host": "localhost@evil.example"}}, 421, "--allowed-host"),
        ("GET", "/", {"headers": {"Host": "[::1"}}, 421, "--allowed-host"),
    ],
)
def test_what_another_site_can_send_is_refused(
    method: str, path: str, request_: dict[str, Any], status: int, said: str
) -> None:
    answer = ask(method, path, **request_)
    assert answer.status_code == status
    assert said in answer.text


@given(origin=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_only_the_own_origin_changes_something(origin: str) -> None:
    own = {OWN, PROXY, "http://LOCALHOST:3000"}
    answer = ask("POST", "/graphql", json=MUTATION, headers={"Origin": f"http://{origin}"})
    assert answer.status_code == (200 if f"http://{origin}".rstrip("/") in own else 403)


def test_a_websocket_of_another_page_is_closed() -> None:
    host = {"Host": "localhost:3000"}
    assert open_socket({**host, "Origin": OWN})["type"] == "websocket.accept"
    assert open_socket(host)["type"] == "websocket.accept"
    for foreign in (
        {"Origin": "http://evil.example"},
        {"Origin": OWN, "Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example:3000", "Origin": "http://evil.example:3000"},
    ):
        refused = open_socket({**host, **foreign})
        assert (refused["type"], refused["code"]) == ("websocket.close", CLOSED_BY_POLICY)


def test_no_other_site_can_show_the_ui_in_a_frame() -> None:
    headers = ask("GET", "/").headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert ask("GET", "/own").headers["content-security-policy"] == "object-src 'none'"
