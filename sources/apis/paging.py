"""Paginators for dlt's client: ones that lose no row to a short page, and notice when they go in a circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from dlt.sources.helpers.rest_client.paginators import BasePaginator, SinglePagePaginator
from requests import Request, Response

from declaration.sources.rest import PagingSpec
from sources.apis.answers import AnswerError, Page, reference_at, total_of
from sources.apis.faults import UnsureError


def paginator_of(paging: PagingSpec) -> BasePaginator:
    """Return a new paginator."""
    if paging.is_counted:
        return Counted(paging)
    return SinglePagePaginator() if paging.by == "none" else Followed(paging)


class Counted(BasePaginator):
    """Paging by page or offset, until a page is empty or all rows have come.

    dlt's own goes on by the size that was asked for: behind a shorter page it passes rows over.
    """

    def __init__(self, paging: PagingSpec) -> None:
        super().__init__()
        self._paging = paging
        first = 1 if paging.by == "page" else 0
        self._position = first if paging.start is None else paging.start
        self._n_rows = 0

    def init_request(self, request: Request) -> None:
        """Ask for the first page."""
        set_params(request, self._paging, self._position)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Go on by what came."""
        del response
        page = as_page(data)
        self._n_rows += len(page)
        self._position += 1 if self._paging.by == "page" else len(page)
        total = None if self._paging.total is None else total_of(page.answer, self._paging.total)
        self._has_next_page = bool(page) and (total is None or self._n_rows < total)

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        set_params(request, self._paging, self._position)


class Followed(BasePaginator):
    """Paging by a cursor or link, until an answer names no next one."""

    def __init__(self, paging: PagingSpec) -> None:
        super().__init__()
        self._paging = paging
        self._next: str | None = None
        self._seen: set[str] = set()

    def init_request(self, request: Request) -> None:
        """Ask for the first page."""
        set_params(request, self._paging, None)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Find what is next.

        Raises
        ------
        UnsureError
            If it has been before: it would never end.
        """
        page = as_page(data)
        path = self._paging.next
        found = reference_at(page.answer, path) if path else response.links.get("next", {}).get("url")
        if found is not None and self._paging.by == "link":
            found = _absolute(response.url, found)
        self._next, self._has_next_page = found, found is not None
        if found in self._seen:
            raise UnsureError(
                f"it names the same {self._paging.by} as next a second time, which would never end"
            )
        if found is not None:
            self._seen.add(found)

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        if self._next is None:
            return
        if self._paging.by == "link":
            request.url, request.params = self._next, {}
        else:
            set_params(request, self._paging, self._next)


def _absolute(url: str, link: str) -> str:
    try:
        return urljoin(url, link)
    except ValueError as error:
        raise AnswerError(f"names a next page that is no address, {link!r}") from error


def set_params(request: Request, paging: PagingSpec, position: int | str | None) -> None:
    """Write position and size into a request's parameters."""
    params = dict(request.params) if isinstance(request.params, Mapping) else {}
    if position is not None:
        params[paging.position] = str(position)
    if paging.size_param is not None:
        params[paging.size_param] = str(paging.size)
    request.params = params


def as_page(data: list[Any] | None) -> Page:
    """Return the page that the client has made of an answer."""
    assert isinstance(data, Page)
    return data
