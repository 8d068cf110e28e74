"""Source that is an HTTP API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from declaration.environment import FromEnvironment
from declaration.sources.blocks import SourceBlock
from declaration.types import Block, Duration

SLOTS = ("start", "end", "partition")
"""What a parameter may hold in braces: bounds of the window, and the partition's key."""

_SLOT = re.compile(r"\{(\w*)\}")
_URL = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_HEADERS = re.compile(r"authorization|cookie|api-?key|token|secret", re.IGNORECASE)


class BearerCredentials(Block):
    """A token in the header Authorization."""

    type: Literal["bearer"]
    """A token in the header Authorization."""
    token: FromEnvironment
    """Variable with the token."""


class BasicCredentials(Block):
    """User and password."""

    type: Literal["basic"]
    """User and password."""
    user: FromEnvironment
    """Variable with the user."""
    password: FromEnvironment
    """Variable with the password."""


class ApiKeyCredentials(Block):
    """A key in a header or a parameter."""

    type: Literal["api_key"]
    """A key in a header or a parameter."""
    name: str = Field(min_length=1, max_length=255)
    """Name of the header or parameter."""
    where: Literal["header", "query"] = "header"
    """Where the key stands. A header is better: URLs are logged by servers."""
    key: FromEnvironment
    """Variable with the key."""


class OauthCredentials(Block):
    """OAuth 2 with client credentials: a token is asked for, and again when it expires."""

    type: Literal["oauth"]
    """OAuth 2 with client credentials."""
    token_url: str
    """Where the token is asked for."""
    client_id: FromEnvironment
    """Variable with the client's id."""
    client_secret: FromEnvironment
    """Variable with the client's secret."""
    scope: str | None = Field(default=None, min_length=1)
    """Scopes, with spaces between."""


CredentialsSpec = Annotated[
    BearerCredentials | BasicCredentials | ApiKeyCredentials | OauthCredentials, Field(discriminator="type")
]
"""How an API knows who asks."""


class PagingSpec(Block):
    """How an API gives more rows than one answer holds."""

    by: Literal["none", "page", "offset", "cursor", "link"] = "none"
    """`page` numbers, `offset` in rows, a `cursor` out of the answer, or a `link` to the next page."""
    param: str | None = Field(default=None, min_length=1)
    """Parameter of the page, offset or cursor. Its name is that of `by` unless given."""
    size: int | None = Field(default=None, ge=1)
    """Rows a page to ask for. The API may send fewer."""
    size_param: str | None = Field(default=None, min_length=1)
    """Parameter of the size, such as `limit` or `per_page`."""
    start: int | None = Field(default=None, ge=0)
    """First page or offset: page 1 or offset 0 unless given."""
    next: str | None = Field(default=None, min_length=1)
    """Path of the cursor in the answer, as `meta.next`, or `data.-1.id` for the last row's; of a `link` that is not in the header Link, path of the URL."""
    total: str | None = Field(default=None, min_length=1)
    """Path of the number of all rows in the answer. Where they do not add up, all is read anew; with a `key` once is enough."""
    stable: bool = False
    """Rows keep their places while pages are read: a reading by page or offset need not be made twice."""

    @property
    def is_counted(self) -> bool:
        """Tell whether the reader says which page is next, so that rows can shift past it."""
        return self.by in ("page", "offset")

    @property
    def position(self) -> str:
        """The parameter of the page, offset or cursor."""
        return self.param or self.by

    def faults(self) -> Iterator[str]:
        """Return what contradicts itself."""
        if self.by == "cursor" and self.next is None:
            yield "is by cursor, but has no `next`, the path of the cursor in the answer. Add it."
        if self.next is not None and self.by not in ("cursor", "link"):
            yield f"has `next`, which paging by {self.by} does not use. Remove it."
        if self.start is not None and not self.is_counted:
            yield f"has `start`, which paging by {self.by} does not use. Remove it."
        if self.param is not None and self.by in ("none", "link"):
            yield f"has `param`, which paging by {self.by} does not use. Remove it."
        if (self.size is None) != (self.size_param is None):
            yield "has one of `size` and `size_param`. Name both: how many rows a page, and the parameter that says so."
        if self.stable and not self.is_counted:
            yield f"has `stable`, which paging by {self.by} does not use. Remove it."


class RestSourceSpec(SourceBlock):
    """Rows of an HTTP API that answers in JSON, asked for a window."""

    may_be_empty: ClassVar[bool] = True

    type: Literal["rest"]
    """Rows of an HTTP API that answers in JSON."""
    url: str
    """Address of the rows, https://… or http://…, without parameters; no secret is in it."""
    params: dict[str, str] = Field(default_factory=dict)
    """Parameters. `{start}` and `{end}` are the window's bounds in UTC, as 2024-01-01T00:00:00Z; `{partition}` is its key."""
    headers: dict[str, FromEnvironment | str] = Field(default_factory=dict)
    """Headers: texts, or `{env: NAME}` for what is secret."""
    auth: CredentialsSpec | None = None
    """How the API knows who asks."""
    paging: PagingSpec = Field(default_factory=PagingSpec)
    """How the API gives more rows than one answer holds."""
    rows: str | None = Field(default=None, min_length=1)
    """Path of the list of rows in the answer, as `data.items`. Found unless given: the answer, or its only list."""
    requests_per_second: float | None = Field(default=None, gt=0, le=1_000)
    """Most requests a second."""
    timeout: Duration = timedelta(minutes=1)
    """Time that one answer may take."""
    max_attempts: int = Field(default=5, ge=1, le=20)
    """Times that one request is sent: after 429, 5xx, lost connections and timeouts it is sent again."""

    @property
    def is_asked(self) -> bool:
        """Tell whether a parameter asks for the rows of one partition."""
        return bool(self.slots)

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    @property
    def slots(self) -> frozenset[str]:
        """The slots that parameters hold."""
        return frozenset(slot for text in self.params.values() for slot in _SLOT.findall(text)) & {*SLOTS}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with addresses, parameters, headers and paging; what may be a secret is not said."""
        if not _is_address(self.url):
            yield (
                "url",
                "is no https://HOST/PATH without user, password, '?' and '#'. Write parameters under `params`, secrets under `auth`.",
            )
        if isinstance(self.auth, OauthCredentials) and not _is_address(self.auth.token_url):
            yield (
                "auth",
                "has a `token_url` that is no https://HOST/PATH without user, password, '?' and '#'.",
            )
        yield from self._param_faults()
        yield from self._header_faults()
        for fault in self.paging.faults():
            yield "paging", fault

    def _param_faults(self) -> Iterator[tuple[str, str]]:
        for name, text in self.params.items():
            for slot in _SLOT.findall(text):
                if slot not in SLOTS:
                    yield (
                        "params",
                        f"has '{{{slot}}}' in '{name}', but there are {{start}}, {{end}} and {{partition}}.",
                    )
        paging = self.paging
        own = [paging.size_param] if paging.size_param else []
        own += [paging.position] if paging.by not in ("none", "link") else []
        for name in own:
            if name in self.params:
                yield "params", f"has '{name}', which `paging` sets. Remove it from one of them."

    def _header_faults(self) -> Iterator[tuple[str, str]]:
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name):
                yield "headers", f"has {name!r}, which is no name of a header."
            elif isinstance(value, str) and _SECRET_HEADERS.search(name):
                yield (
                    "headers",
                    f"has '{name}' with its value, which may be a secret. Name its variable, as {{env: API_KEY}}.",
                )
            elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
                yield "headers", f"has '{name}' with signs that no header holds. Write plain ASCII."
        if isinstance(self.auth, ApiKeyCredentials):
            if self.auth.where == "header" and not _HEADER.fullmatch(self.auth.name):
                yield "auth", f"has the name {self.auth.name!r}, which is no name of a header."
            if self.auth.where == "query" and self.auth.name in self.params:
                yield "auth", f"sets the parameter '{self.auth.name}', and so does `params`. Remove it there."


def _is_address(url: str) -> bool:
    """Tell whether a text is an address without user, parameters and fragment."""
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
