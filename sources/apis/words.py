"""Words that APIs use for pages, cursors, totals and lists, as patterns of plain names."""

from __future__ import annotations

import re

SIZES = r"per_?page|page_?size|limit|size|count|max_?results|rows_per_page|top"
PAGES = r"page|page_?(no|num|number|index)"
OFFSETS = r"offset|skip|start_?(at|index)?|from_index"
CURSORS = r"cursor|after|page_?token|next_?(page_?)?token|continuation_?token|page_?cursor"
NEXT = r"(next_?|end_?)?(page_?token|page_?cursor|cursor)|next(_?token|_?page(_?token)?)?|continuation_?token|next_link|nextlink"
TOTAL = r"total(_?(count|items|results|rows|records|size))?|(item|row|record|result)s?_?count"

LISTS = ("data", "items", "results", "value", "values", "records", "rows", "entries", "content", "elements")
"""Usual names of the list of rows, the commonest first."""


def plain(name: str) -> str:
    """Return a name as words: of `page[limit]` the last, in lower case with underscores.

    Examples
    --------
    >>> plain("page[limit]"), plain("nextPageToken"), plain("@odata.nextLink")
    ('limit', 'next_page_token', 'next_link')
    """
    last = re.findall(r"[^\[\].$]+", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last[-1] if last else name).lower().replace("-", "_")


def is_paging(name: str) -> bool:
    """Tell whether a parameter's name is that of a page, its size, or a cursor."""
    return bool(re.fullmatch("|".join((SIZES, PAGES, OFFSETS, CURSORS)), plain(name)))
