"""Shape of an API's first answer: where its rows are, and the ways of paging that it shows or allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sources.apis.answers import AnswerError, Page, is_text, page_of
from sources.apis.words import CURSORS, LISTS, NEXT, OFFSETS, PAGES, SIZES, TOTAL, plain

MAX_DEPTH = 4
"""Objects inside objects in which a list, or a word about pages, is looked for."""

_NEXT_URL = r"next(_?(page|url|uri|link|href))?(_?(url|uri|link|href))?"
_URLS = ("href", "url", "uri", "link")
_NEXT_CURSOR = rf"{NEXT}|after|after_cursor|next_?(start|marker|offset|key|id)|starting_after|scroll_id"
_PARENTS = r"cursors?|next|paging|pagination|page_?info|meta|metadata|response_metadata"
_N_PAGES = r"(total|n|num|number_of|last|max)_?pages?|pages|page_?(count|total)"
_PAGE = rf"(current_?)?({PAGES})"
_OFFSET = rf"{OFFSETS}|start|from"
_MORE = r"has_?(more|next)(_?(page|items|results))?|more|is_?truncated"
_STRIPPED = re.compile(r"^(next|end)_?", re.IGNORECASE)


@dataclass(frozen=True)
class Way:
    """One way in which the next page may be asked for.

    Attributes
    ----------
    paging
        The `paging` block, as a declaration writes it.
    shown
        What in the answer shows it; empty where it is tried without a sign.
    is_last
        Whether the answer says that it is the last page.
    """

    paging: Mapping[str, object]
    shown: str
    is_last: bool = False


@dataclass(frozen=True)
class Shape:
    """Rows of an answer, and what stands beside them.

    Attributes
    ----------
    path
        Path of the rows; empty where the answer itself is their list.
    page
        The rows.
    others
        Paths of other lists of objects.
    total
        Path of the number of all rows, and that number; None where there is none.
    has_more
        What the answer says of more pages; None where it says nothing.
    """

    path: str
    page: Page
    others: Sequence[str]
    total: tuple[str, int] | None
    has_more: bool | None


@dataclass(frozen=True)
class _Value:
    path: str
    name: str
    parent: str
    value: object


def shape_of(answer: object) -> Shape:
    """Find the rows of an answer.

    Raises
    ------
    AnswerError
        If it has no list of objects with at least one.
    """
    lists = dict(_lists(answer))
    if not lists:
        raise AnswerError(_nothing_in(answer))
    path = min(lists, key=lambda one: _rank(one, lists[one]))
    page = page_of(answer, path)
    return Shape(
        path,
        page,
        tuple(other for other in lists if other != path),
        _total(answer, len(page)),
        next(
            (v.value for v in _values(answer) if isinstance(v.value, bool) and re.fullmatch(_MORE, v.name)),
            None,
        ),
    )


def ways_of(shape: Shape, links: Mapping[str, object], params: Mapping[str, str]) -> Sequence[Way]:
    """Return the ways of paging, the surest first.

    Parameters
    ----------
    shape
        The first answer's.
    links
        Relations that the header Link names.
    params
        Parameters with which it was asked.
    """
    found = [
        *_links(shape, links),
        *_cursors(shape, params),
        *_numbers(shape, params),
        *_last_rows(shape, params),
    ]
    shown = [way for way in found if way.shown]
    # What is tried without a sign comes last, and not at all where the answer says how it goes on.
    ways = shown or found
    unique = {tuple(sorted(way.paging.items())): way for way in reversed(ways)}
    return [way for way in ways if unique.pop(tuple(sorted(way.paging.items())), None) is not None]


def _lists(answer: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, Sequence[object]]]:
    """Return the lists that hold objects alone, by path."""
    if isinstance(answer, list) and answer and all(isinstance(row, dict) for row in answer):
        yield path, answer
    if isinstance(answer, dict) and depth < MAX_DEPTH:
        for name, value in answer.items():
            yield from _lists(value, f"{path}.{name}" if path else name, depth + 1)


def _rank(path: str, rows: Sequence[object]) -> tuple[int, int, int]:
    """Order lists: by a usual name, then the one that is least deep, then the longest."""
    name = plain(path.rpartition(".")[2])
    return (LISTS.index(name) if name in LISTS else len(LISTS), path.count("."), -len(rows))


def _nothing_in(answer: object) -> str:
    if isinstance(answer, list) and not answer:
        return "is an empty list: columns and types cannot be found in nothing. Ask for rows that exist"
    if isinstance(answer, dict) and any(value == [] for value in answer.values()):
        return "has an empty list: columns and types cannot be found in nothing. Ask for rows that exist"
    return "has no list of objects. Name an address that lists rows"


def _values(answer: object, path: str = "", parent: str = "", depth: int = 0) -> Iterator[_Value]:
    """Return the single values outside of lists."""
    if not isinstance(answer, dict) or depth > MAX_DEPTH:
        return
    for name, value in answer.items():
        at = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _values(value, at, plain(name), depth + 1)
        elif not isinstance(value, list):
            yield _Value(at, plain(name), parent, value)


def _total(answer: object, n_rows: int) -> tuple[str, int] | None:
    """Find the number of all rows: not that of pages, nor of the rows of one page."""
    for one in _values(answer):
        if not isinstance(one.value, int) or isinstance(one.value, bool):
            continue
        if re.fullmatch(rf"{TOTAL}|total_?elements", one.name) and one.value >= n_rows:
            return one.path, one.value
        # `count` is the number of a page's rows in as many APIs as that of all.
        if one.name == "count" and one.value > n_rows:
            return one.path, one.value
    return None


def _links(shape: Shape, links: Mapping[str, object]) -> Iterator[Way]:
    if links:
        is_last = "next" not in links
        if not is_last or {"first", "last", "prev", "previous"} & {*links}:
            yield Way({"by": "link"}, "the header Link", is_last)
    for one in _values(shape.page.answer):
        is_named = re.fullmatch(_NEXT_URL, one.name) or (one.name in _URLS and one.parent == "next")
        if not is_named:
            continue
        if is_text(one.value) and str(one.value).startswith(("http://", "https://", "/", "?")):
            yield Way({"by": "link", "next": one.path}, f"the URL at {one.path}")
        elif one.value is None and re.fullmatch(_NEXT_URL, one.name):
            yield Way({"by": "link", "next": one.path}, f"null at {one.path}", is_last=True)


def _cursors(shape: Shape, params: Mapping[str, str]) -> Iterator[Way]:
    asked = [name for name in params if re.fullmatch(CURSORS, plain(name))]
    size = _size(params)
    for one in _values(shape.page.answer):
        is_named = re.fullmatch(_NEXT_CURSOR, one.name) and (
            one.name != "after" or re.fullmatch(_PARENTS, one.parent)
        )
        if one.name == "offset" and is_text(one.value):
            is_named = True
        if not is_named or isinstance(one.value, bool) or one.value == "":
            continue
        if is_text(one.value) and str(one.value).startswith(("http://", "https://", "/", "?")):
            continue
        for name in asked or _params_of(one.path.rpartition(".")[2]):
            yield Way(
                {"by": "cursor", "param": name, "next": one.path, **size},
                f"{'null' if one.value is None else 'a cursor'} at {one.path}",
                is_last=one.value is None,
            )


def _last_rows(shape: Shape, params: Mapping[str, str]) -> Iterator[Way]:
    """Return the way by the last row's id, as Stripe has it."""
    if shape.has_more is not None and all(row.get("id") is not None for row in shape.page):
        paging = {"by": "cursor", "param": "starting_after", "next": f"{shape.path}.-1.id", **_size(params)}
        yield Way(paging, "a sign of more pages beside rows with an id", is_last=not shape.has_more)


def _params_of(field: str) -> Sequence[str]:
    """Return the parameters that may take a cursor, by the field it comes in.

    Examples
    --------
    >>> _params_of("nextPageToken")[:2], _params_of("next_cursor")[:2], _params_of("end_cursor")[0]
    (['pageToken', 'nextPageToken'], ['cursor', 'next_cursor'], 'cursor')
    """
    stripped = _STRIPPED.sub("", field)
    stripped = stripped[:1].lower() + stripped[1:]
    others = ["start_cursor", "after"] if "cursor" in field.lower() else []
    return list(dict.fromkeys(name for name in (stripped, field, *others) if name))


def _numbers(shape: Shape, params: Mapping[str, str]) -> Iterator[Way]:
    """Return ways by page and offset: as they were asked for, as the answer tells, and last as they are common."""
    size = _size(params)
    is_last = shape.total is not None and shape.total[1] <= len(shape.page)
    for by, words in (("page", PAGES), ("offset", OFFSETS)):
        for name, text in params.items():
            if re.fullmatch(words, plain(name)) and text.isascii() and text.isdigit():
                yield Way(
                    {"by": by, "param": name, "start": int(text), **size}, f"the parameter {name}", is_last
                )
    values = [v for v in _values(shape.page.answer) if type(v.value) is int]
    n_pages = next((int(str(v.value)) for v in values if re.fullmatch(_N_PAGES, v.name)), None)
    for one in values:
        is_page = re.fullmatch(_PAGE, one.name) or (one.name == "number" and one.parent == "page")
        if is_page and (n_pages is not None or shape.total is not None or shape.has_more is not None):
            start = int(str(one.value))
            ends = is_last or (n_pages is not None and (n_pages <= 1 or shape.has_more is False))
            for name in dict.fromkeys(("page", one.path.rpartition(".")[2])):
                yield Way({"by": "page", "param": name, "start": start, **size}, f"{one.path}: {start}", ends)
        if re.fullmatch(_OFFSET, one.name) and one.value == 0:
            for name in dict.fromkeys((one.path.rpartition(".")[2], "offset")):
                yield Way({"by": "offset", "param": name, **size}, f"{one.path}: 0", is_last)
    if not is_last:
        yield Way({"by": "page", "param": "page", **size}, "")
        yield Way({"by": "offset", "param": "offset", **size}, "")
        yield Way({"by": "page", "param": "page", "start": 0, **size}, "")


def _size(params: Mapping[str, str]) -> Mapping[str, object]:
    """Return size and its parameter, where it was asked for."""
    for name, text in params.items():
        if re.fullmatch(SIZES, plain(name)) and text.isascii() and text.isdigit() and int(text) > 0:
            return {"size": int(text), "size_param": name}
    return {}
