"""Requests to an API: what is repeated, what is waited for, where nothing is sent, and secrets, which are nowhere to be seen."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from declaration.sources.rest import RestSourceSpec
from sources.files import SourceError
from sources.source_type import WHOLE, Asked
from sources.types import type_of
from tests.fixtures.apis import Answer, Api, Asking, serving

pytest.importorskip("dlt", reason="the extra rest is not installed")

from sources.apis import transport
from sources.apis.reading import read_rows
from sources.apis.transport import Waiting

SECRET = "s3cret/+value"
SECRETS = {"API_TOKEN": SECRET, "API_USER": "someone", "API_ID": "client", "EMPTY": " "}
BEARER = {"type": "bearer", "token": {"env": "API_TOKEN"}}
BASIC = {"type": "basic", "user": {"env": "API_USER"}, "password": {"env": "API_TOKEN"}}
HEADER_KEY = {"type": "api_key", "name": "X-Key", "key": {"env": "API_TOKEN"}}
QUERY_KEY = {**HEADER_KEY, "name": "k", "where": "query"}


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def source_of(api: Api, **keys: Any) -> RestSourceSpec:
    spec = RestSourceSpec.model_validate({"type": "rest", "url": f"{api.url}/orders", **keys})
    assert not list(spec.contradictions())
    return spec


def read(api: Api, waiting: Waiting | None = None, **keys: Any) -> int:
    """Read, and return the number of rows."""
    waiting = waiting or Waiting(sleep=lambda _: None)
    return len(read_rows(source_of(api, **keys), Asked(Path(), Path()), waiting).lines)


def oauth(api: Api) -> dict[str, Any]:
    return {
        "type": "oauth", "token_url": f"{api.url}/token", "client_id": {"env": "API_ID"},
        "client_secret": {"env": "API_TOKEN"}, "scope": "read all",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (BEARER, "authorization", f"Bearer {SECRET}"),
        (BASIC, "authorization", "Basic " + b64encode(f"someone:{SECRET}".encode()).decode()),
        (HEADER_KEY, "x-key", SECRET),
    ],
)
def test_credentials_stand_in_a_header(auth: dict[str, Any], header: str, value: str) -> None:
    with serving(lambda _: Answer([{"id": 1}])) as api:
        assert read(api, auth=auth, headers={"X-App": "driftline", "X-Secret": {"env": "API_TOKEN"}}) == 1
    (asked,) = api.asked
    assert (asked.headers[header], asked.params) == (value, {})
    assert (asked.headers["x-app"], asked.headers["x-secret"]) == ("driftline", SECRET)


def test_a_key_stands_in_a_parameter_of_every_page() -> None:
    with serving(lambda asking: Answer([{"id": 1}] if asking.params["page"] == "1" else [])) as api:
        assert read(api, auth=QUERY_KEY, paging={"by": "page"}, params={"q": "a&b"}) == 1
    assert [asked.params for asked in api.asked] == [
        {"q": "a&b", "k": SECRET, "page": page} for page in "1212"
    ]


@pytest.mark.parametrize(("lasts", "n_tokens"), [(3600, 1), ("3600", 1), (None, 1), (5, 4)])
def test_a_token_is_asked_for_and_again_when_it_ends(lasts: object, n_tokens: int) -> None:
    def answer(asking: Asking) -> Answer:
        if asking.path == "/token":
            return Answer({"access_token": f"t{len(api.asked)}", "expires_in": lasts, "scope": 1.5})
        return Answer([{"id": 1}] if asking.params["page"] == "1" else [])

    with serving(answer) as api:
        assert read(api, auth=oauth(api), paging={"by": "page"}) == 1
    tokens = [asked for asked in api.asked if asked.path == "/token"]
    assert len(tokens) == n_tokens
    assert tokens[0].body == (
        "grant_type=client_credentials&client_id=client&client_secret=s3cret%2F%2Bvalue&scope=read+all"
    )
    assert api.asked[1].headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize(
    "body", [{"access_token": None}, {"error": 1}, [1], b"<html>", {"access_token": "a\nb"}]
)
def test_an_answer_without_a_token_is_refused(body: Any) -> None:
    with (
        serving(lambda _: Answer(body)) as api,
        pytest.raises(SourceError, match="gets no `access_token` from `token_url`"),
    ):
        read(api, auth=oauth(api))


def test_a_variable_that_is_not_set_is_named() -> None:
    with serving(lambda _: Answer([])) as api, pytest.raises(SourceError, match="variable EMPTY is not set"):
        read(api, auth={"type": "bearer", "token": {"env": "EMPTY"}})


@pytest.mark.parametrize("auth", [BEARER, BASIC, HEADER_KEY, QUERY_KEY, "oauth"])
@pytest.mark.parametrize("status", [401, 500, 302])
def test_no_secret_is_in_a_message_a_traceback_or_a_log(
    auth: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(asking: Asking) -> Answer:
        if asking.path == "/token":
            return Answer({"access_token": "t0ken"})
        echo = f"no\r\n\x1b[31m access: {asking.params} {asking.headers}".encode()
        return Answer(echo, status=status, headers={"Location": f"http://elsewhere.test/?k={SECRET}"})

    with serving(answer) as api, caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        read(api, auth=oauth(api) if auth == "oauth" else auth, max_attempts=2)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    basic = b64encode(f"someone:{SECRET}".encode()).decode()
    assert "GET /orders" in caplog.text
    assert not [form for form in (SECRET, "s3cret%2F%2Bvalue", basic, "t0ken") if form in shown]
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)


def test_a_refusal_is_an_error_at_once_with_what_the_api_says() -> None:
    with (
        serving(lambda _: Answer(b"no such\n thing " + b"x" * 10_000, status=404)) as api,
        pytest.raises(SourceError, match=r"/orders': answers 404 Not Found \(no such thing x{100,200}…\)\.$"),
    ):
        read(api)
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_asked_for_again(status: int) -> None:
    with serving(lambda _: Answer([], status=200 if len(api.asked) == 4 else status)) as api:
        waiting = Waiting(sleep=lambda _: None)
        assert read(api, waiting) == 0
        assert (waiting.n_requests, waiting.n_retries) == (4, 3)
        assert 0.5 * 7 <= waiting.waited_s <= 1.5 * 7  # 1, 2 and 4 seconds, each by half more or less.
    with serving(lambda _: Answer(b"", status=status)) as api:
        with pytest.raises(SourceError, match=rf"answers {status} .*\. It was tried 3 times\."):
            read(api, max_attempts=3)
        assert len(api.asked) == 3


@pytest.mark.parametrize("as_date", [True, False])
def test_an_api_that_asks_to_wait_is_waited_for(as_date: bool) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    busy = Answer(b"", status=429, headers={"Retry-After": until if as_date else "100"})
    waiting = Waiting(sleep=lambda _: None)
    with serving(lambda _: Answer([]) if len(api.asked) > 1 else busy) as api:
        read(api, waiting)
    assert 97 <= waiting.waited_s <= 101


def test_an_api_that_asks_to_wait_for_long_is_an_error_at_once() -> None:
    with (
        serving(lambda _: Answer(b"", status=429, headers={"Retry-After": "3600"})) as api,
        pytest.raises(
            SourceError, match=r"asks to wait for 3,600 seconds, longer than 300\. Run it again then"
        ),
    ):
        read(api)
    assert len(api.asked) == 1


def test_an_api_that_is_not_there_or_never_ends_is_an_error() -> None:
    with serving(lambda _: Answer([])) as api:
        pass
    with pytest.raises(SourceError, match=r"did not answer, or not to the end .*tried 2 times"):
        read(api, max_attempts=2)
    stop = threading.Event()

    def answer(_: Asking) -> Answer:
        stop.wait(1)
        return Answer([])

    with serving(answer) as api:
        started = time.monotonic()
        slow = source_of(api, max_attempts=1).model_copy(update={"timeout": timedelta(seconds=0.1)})
        with pytest.raises(SourceError, match="did not answer"):
            read_rows(slow, Asked(Path(), Path()), Waiting())
        assert time.monotonic() - started < 0.9
        stop.set()


@pytest.fixture
def other() -> Iterator[Api]:
    """Return another host, which must not be asked."""
    with serving(lambda _: Answer([])) as api:
        yield api


def test_nothing_is_asked_of_another_host(other: Api) -> None:
    away = {"Location": f"{other.url}/orders", "Link": f'<{other.url}/orders>; rel="next"'}
    state = {"status": 200}
    with serving(lambda _: Answer([{"id": 1}], status=state["status"], headers=away)) as api:
        for status, paging in ((302, {}), (307, {}), (200, {"by": "link"})):
            state["status"] = status
            with pytest.raises(
                SourceError, match=rf"leads to {other.url}, but nothing is asked of another host"
            ):
                read(api, paging=paging, auth=HEADER_KEY)
    assert other.asked == []


@pytest.mark.parametrize("to", ["http://[bad", "http://h:99999/", "//", "http://"])
def test_an_address_that_is_none_is_refused(to: str) -> None:
    with (
        serving(lambda _: Answer([], status=302, headers={"Location": to})) as api,
        pytest.raises(SourceError, match=r"leads to|cannot be asked|answers"),
    ):
        read(api)
    with (
        serving(lambda _: Answer({"rows": [], "next": to})) as api,
        pytest.raises(SourceError, match=r"no address|leads to|cannot be asked|never end"),
    ):
        read(api, paging={"by": "link", "next": "next"})


def test_a_redirect_on_the_same_host_is_followed() -> None:
    def answer(asking: Asking) -> Answer:
        moved = Answer(b"", status=308, headers={"Location": "/v2/orders"})
        return moved if asking.path == "/orders" else Answer([{"id": 1}])

    with serving(answer) as api:
        assert read(api, auth=HEADER_KEY) == 1
    assert api.asked[1].headers["x-key"] == SECRET


def test_a_large_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_PAGE_BYTES", 1024**2)
    with (
        serving(lambda _: Answer(b"[" + b" " * 2 * 1024**2 + b"]")) as api,
        pytest.raises(SourceError, match=r"an answer of more than 1 MB\. Ask for smaller pages"),
    ):
        read(api)


def test_requests_are_paced() -> None:
    waiting = Waiting(sleep=lambda _: None)
    with serving(
        lambda asking: Answer([{"id": asking.params["page"]}] if asking.params["page"] < "4" else [])
    ) as api:
        assert read(api, waiting, paging={"by": "page", "stable": True}, requests_per_second=0.1) == 3
    # The clock of the test stands still: the second request waits for 10 seconds, the third for 20, the fourth for 30.
    assert 59 < waiting.waited_s <= 60


def test_the_mark_is_another_one_when_the_first_page_is() -> None:
    state: dict[str, Any] = {"rows": [{"id": 1}], "headers": {}}
    with serving(
        lambda _: Answer({"rows": state["rows"], "at": len(api.asked)}, headers=state["headers"])
    ) as api:
        source = source_of(api)

        def mark() -> str:
            return type_of(source).marks(source, Asked(Path(), Path()))[WHOLE]

        first = mark()
        assert mark() == first
        state["rows"] = [{"id": 1.5}]
        assert mark() != first
        state["headers"] = {"ETag": '"v1"', "Last-Modified": "x"}
        assert mark() == '"v1"'
        asked = source_of(api, params={"since": "{start}"})
        n_asked = len(api.asked)
        assert type_of(asked).marks(asked, Asked(Path(), Path())) == {WHOLE: asked.url}
        assert len(api.asked) == n_asked


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer([{"id": 1}])) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        far = replace(proxy, url="http://api.invalid")
        assert read(far) == 1
        assert [one.headers["host"] for one in proxy.asked] == ["api.invalid"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert read(proxy) == 1
        assert proxy.asked[-1].headers["host"] != "api.invalid"
