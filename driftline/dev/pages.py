"""The pages of drift reports, served beside the web UI: files of one folder, each in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from resources.reports import WEB_PATH

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

CONTENT_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""Files that are served, by the end of their name; others, such as drafts of pages, are not there."""

INDEX = "index.html"
"""Page of a folder."""

HEADERS: Mapping[str, str] = {
    # Pages are whole in themselves. They show names and values of sources: should one slip through as markup, the
    # sandbox keeps it from the web UI, whose origin this is.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # A partition that is run again writes its page anew.
    "Cache-Control": "no-cache",
}


def report_pages(folder: Path) -> list[Route]:
    """Build the routes that serve a folder of pages, for reading only."""

    async def served(request: Request) -> Response:
        return _answer(folder, request.path_params.get("path", ""), request.url.path)

    methods = ["GET"]
    return [
        Route(WEB_PATH, served, methods=methods),
        Route(f"{WEB_PATH}/{{path:path}}", served, methods=methods),
    ]


def page_of(folder: Path, path: str) -> Path | None:
    """Return the file that a path of a URL names; None where it is none, or lies elsewhere."""
    root = folder.resolve()
    try:
        page = (root / path).resolve()
        page = page / INDEX if page.is_dir() else page
        is_there = page.resolve().is_relative_to(root) and page.is_file()
    except (OSError, ValueError):
        return None  # No name of a file: it holds a null byte, or is too long.
    return page if is_there and page.suffix in CONTENT_TYPES else None


def _answer(folder: Path, path: str, requested: str) -> Response:
    page = page_of(folder, path)
    if page is None:
        text = f"There is no page {requested[:200]!r}. Drift reports write theirs: materialize drift_report, or replay.\n"
        return PlainTextResponse(text, 404, headers=HEADERS)
    if page.name == INDEX and not requested.endswith(("/", INDEX)):
        # Links of a page are relative to its folder.
        return RedirectResponse(f"{requested}/")
    return FileResponse(page, media_type=CONTENT_TYPES[page.suffix], headers=HEADERS)
