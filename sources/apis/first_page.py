"""First page of an API of which nothing is declared: its rows, and how its second page comes, which is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from declaration.sources.rest import RestSourceSpec
from sources.apis.answers import AnswerError, Page, lines_of
from sources.apis.client import ApiClient
from sources.apis.faults import ApiError, UnsureError
from sources.apis.shapes import Shape, Way, shape_of, ways_of
from sources.apis.transport import Waiting

MAX_WAYS = 6
"""Ways of paging that are tried: each takes two requests."""

TIMEOUT = timedelta(seconds=20)
"""Time that one answer may take."""

MIN_SHARE = 0.5
"""Share of the first page's rows that it must have when it is asked for a second time."""


@dataclass(frozen=True)
class FirstPage:
    """Findings of the first answers of an API.

    Attributes
    ----------
    source
        The source that asks for all rows, as far as the answers show how.
    rows
        Rows of the first page, and of the second where it came.
    is_whole
        Whether these are all rows that there are.
    note
        What was seen of the paging.
    questions
        What only a person can decide.
    """

    source: RestSourceSpec
    rows: Sequence[Mapping[str, Any]]
    is_whole: bool
    note: str
    questions: tuple[str, ...]


def first_page(source: RestSourceSpec) -> FirstPage | None:
    """Ask an API for its first pages; None where the answer is no JSON.

    Raises
    ------
    ApiError
        If it cannot be asked, or its answer has no rows.
    """
    quick = source.model_copy(update={"timeout": TIMEOUT, "max_attempts": 2})
    client = ApiClient(quick, Waiting())
    try:
        answer, response = client.first_answer(source.params)
    except AnswerError:
        return None
    try:
        shape = shape_of(answer)
    except AnswerError as error:
        raise client.answer_error(error) from error
    said: list[str] = []
    for way in ways_of(shape, response.links, source.params)[:MAX_WAYS]:
        declared = with_paging(quick, shape, way.paging)
        if declared is None:
            continue
        if way.is_last:
            return _last(shape, with_paging(source, shape, way.paging) or source, way)
        try:
            second = _second(declared, shape)
        except (ApiError, UnsureError, AnswerError) as error:
            said += [f"{way.shown}, but {error}"] if way.shown else []
            continue
        if second is not None:
            return _followed(shape, with_paging(source, shape, way.paging) or source, way, second)
        said += (
            [f"{way.shown}, but asked with '{way.paging.get('param')}' the API gives no other rows"]
            if way.shown and "param" in way.paging
            else []
        )
    return _alone(shape, with_paging(source, shape, {"by": "none"}) or source, said)


def with_paging(source: RestSourceSpec, shape: Shape, paging: Mapping[str, object]) -> RestSourceSpec | None:
    """Return a source with the rows' path and a paging; None where both ask for the same parameter in different ways."""
    block = source.model_dump(exclude_unset=True)
    own = {paging.get("param"), paging.get("size_param")}
    params = {name: text for name, text in source.params.items() if name not in own}
    block.pop("params", None)
    written = {key: value for key, value in paging.items() if not _is_default(key, value, paging)}
    if shape.total is not None:
        written["total"] = shape.total[0]
    if written != {"by": "none"}:
        block["paging"] = written
    if params:
        block["params"] = params
    if shape.path:
        block["rows"] = shape.path
    declared = RestSourceSpec.model_validate(block)
    return None if list(declared.contradictions()) else declared


def _is_default(key: str, value: object, paging: Mapping[str, object]) -> bool:
    return key == "start" and value == (1 if paging["by"] == "page" else 0)


def _second(source: RestSourceSpec, shape: Shape) -> Page | None:
    """Return the second page; empty where there is none, None where it is not another one."""
    client = ApiClient(source, Waiting())
    pages = [page for page, _ in islice(client.pages(source.params), 2)]
    known = _marks(shape.page)
    if len(known & _marks(pages[0])) < MIN_SHARE * len(known):
        return None
    if len(pages) < 2:
        return Page([], pages[0].answer)
    return None if known & _marks(pages[1]) else pages[1]


def _marks(page: Page) -> frozenset[object]:
    """Return what tells rows apart: their `id`, or else all of them."""
    ids = [row.get("id") for row in page]
    if all(isinstance(one, str | int) for one in ids):
        return frozenset(ids)
    return frozenset(lines_of(list(page)))


def _last(shape: Shape, source: RestSourceSpec, way: Way) -> FirstPage:
    question = (
        f"the first page is the last one ({way.shown}), so that no second one was seen. Is `paging` right?"
    )
    return FirstPage(source, shape.page, True, "", (question, *_doubts(shape)))


def _followed(shape: Shape, source: RestSourceSpec, way: Way, second: Page) -> FirstPage:
    rows, note, questions = [*shape.page, *second], "", []
    asked = f"asked with '{way.paging.get('param')}', the API gives"
    if way.shown:
        came = "the second page came so" if second else "there is no second page"
        note = f"Paging as {way.shown} shows; {came}."
    elif second:
        note = f"The answer shows no way of paging; {asked} other rows."
    else:
        questions = [
            f"is `paging` right? The answer shows none; {asked} no more rows, which may have another reason."
        ]
    start = source.paging.start
    if source.paging.is_counted and start is not None and start > 1:
        questions.append(
            f"reading begins at {source.paging.position} {start}, as the address says. Are earlier rows wanted?"
        )
    is_whole = not second or (shape.total is not None and shape.total[1] <= len(rows))
    return FirstPage(source, rows, is_whole, note, (*questions, *_doubts(shape)))


def _alone(shape: Shape, source: RestSourceSpec, said: Sequence[str]) -> FirstPage:
    """Return a page of which nothing tells what the next one is."""
    n, total = len(shape.page), None if shape.total is None else shape.total[1]
    if total == n:
        return FirstPage(source, shape.page, True, f"The answer holds all {n:,} rows.", _doubts(shape))
    # A question of its own: what is said of one is cut.
    tried = tuple(f"how is this to be read? There is {one}." for one in said)
    if total is not None or shape.has_more:
        of_all = (
            f"{n:,} of {total:,} rows" if total is not None else f"{n:,} rows, and a sign that there are more"
        )
        question = (
            f"how does the API page? The answer has {of_all}, but no way that was tried gives the others. Without `paging`, "
            "only the first page is read"
            + (
                ", and the source fails where the number of rows does not add up."
                if total is not None
                else "."
            )
        )
    else:
        question = (
            f"is one answer all there is? It has {n:,} rows, and tells of no other page. If there are more, declare `paging`: "
            "without it, only the first page is read."
        )
    return FirstPage(source, shape.page, False, "", (question, *tried, *_doubts(shape)))


def _doubts(shape: Shape) -> tuple[str, ...]:
    if not shape.others:
        return ()
    listed = ", ".join(map(repr, shape.others[:6]))
    return (f"the rows are taken from '{shape.path}'; there are lists at {listed}, too. Is that right?",)
