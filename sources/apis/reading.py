"""Reading of an API: pages are walked through until their rows are whole, each of them once."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from declaration.datasets import DatasetSpec
from declaration.sources.rest import RestSourceSpec
from declaration.text import one_line
from sources.apis.answers import AnswerError, Columns, Page, lines_of, total_of
from sources.apis.client import ApiClient
from sources.apis.faults import MAX_SAID, UnsureError
from sources.apis.transport import Waiting
from sources.progress import Progress
from sources.source_type import Asked

MAX_WALKS = 4
"""Times that all pages are read, where they do not make a whole."""

MAX_BYTES = 1 << 30
"""Rows of one reading, as JSON: they are in memory until all are there."""

MAX_PAGES = 100_000
"""Pages of one reading: a longer one goes on without an end."""

LOOK_TIMEOUT = timedelta(seconds=20)
"""Longest time of a look at the first page."""

_VALIDATORS = ("ETag", "Last-Modified")

_PLAIN = frozenset({int, str})
"""Types of values that equal none of another type."""


@dataclass(frozen=True)
class ApiRows:
    """Rows of an API.

    Attributes
    ----------
    lines
        One line of JSON a row, sorted: the order of pages says nothing.
    n_repeated
        Rows that came once more, and were left out.
    """

    lines: Sequence[bytes]
    n_repeated: int


def read_rows(source: RestSourceSpec, asked: Asked, waiting: Waiting) -> ApiRows:
    """Read the rows of an API, each once.

    Raises
    ------
    SourceError
        If it cannot be asked, or its pages never make a whole.
    """
    client = ApiClient(source, waiting)
    params = _params(client, source, asked)
    key = _key_of(asked.dataset)
    if asked.most_rows is not None:
        return _first_rows(client, params, asked.most_rows)
    before: set[bytes] = set()
    why = ""
    for number in range(1, MAX_WALKS + 1):
        try:
            walk = _walked(client, source, params, key)
        except UnsureError as error:
            why = str(error)
            waiting.pause(number * random.uniform(0.1, 0.3))
            continue
        except AnswerError as error:
            raise client.answer_error(error) from error
        rows = ApiRows(sorted(walk.lines), walk.n_repeated)
        if not _may_have_shifted(source, walk):
            return rows
        digest = hashlib.sha256(b"\n".join(rows.lines)).digest()
        if digest in before:
            return rows
        before.add(digest)
        why = "no two readings give the same rows"
    raise client.unsure_error(why, tried=MAX_WALKS)


def _first_rows(client: ApiClient, params: Mapping[str, str], n: int) -> ApiRows:
    """Return rows of the first pages, for a look: they are no whole."""
    columns, lines = Columns(), list[bytes]()
    try:
        for page, _ in client.pages(params):
            lines += lines_of([columns.flat(row) for row in page])
            if len(lines) >= n:
                break
    except AnswerError as error:
        raise client.answer_error(error) from error
    except UnsureError as error:
        raise client.unsure_error(error) from error
    return ApiRows(lines[:n], 0)


def first_mark(source: RestSourceSpec) -> str:
    """Return a text that is another one when the first page is.

    Raises
    ------
    SourceError
        If it cannot be asked.
    """
    # A look must not hold up the sensor that looks at all.
    quick = source.model_copy(update={"timeout": min(source.timeout, LOOK_TIMEOUT), "max_attempts": 1})
    client = ApiClient(quick, Waiting())
    try:
        page, response = next(client.pages(source.params))
        total = source.paging.total
        seen = [page, None if total is None else total_of(page.answer, total), response.headers.get("Link")]
    except UnsureError as error:
        raise client.unsure_error(error) from error
    except AnswerError as error:
        raise client.answer_error(error) from error
    for name in _VALIDATORS:
        if name in response.headers:
            return one_line(response.headers[name])
    return hashlib.sha256(lines_of([{"seen": seen}])[0]).hexdigest()


def _may_have_shifted(source: RestSourceSpec, walk: _Walk) -> bool:
    """Tell whether rows may have shifted past the reader unseen: a number of rows shows it where no row counts twice."""
    paging = source.paging
    return paging.is_counted and not paging.stable and (paging.total is None or not walk.is_keyed)


@dataclass
class _Walk:
    """Rows of one walk through the pages."""

    key: Sequence[str]
    names_next: bool
    lines: list[bytes] = field(default_factory=list)
    n_repeated: int = 0
    n_bytes: int = 0
    _by_key: dict[object, bytes] = field(default_factory=dict)
    _pages: set[bytes] = field(default_factory=set)
    _last: bytes = b""
    _columns: Columns = field(default_factory=Columns)

    @property
    def is_keyed(self) -> bool:
        """Tell whether every row has a key of its own."""
        return bool(self.key) and len(self._by_key) == len(self.lines)

    def add(self, page: Page) -> None:
        """Add the rows of a page.

        Raises
        ------
        UnsureError
            If the page stands where another should, or a row has changed meanwhile.
        """
        rows = [self._columns.flat(row) for row in page]
        lines = lines_of(rows)
        if lines and self._is_again(lines):
            self.n_repeated += len(lines)
            return
        if not self.key:
            self._keep(lines)
            return
        known = self._by_key
        new: list[bytes] = []
        for values, row, line in zip(self._keys(rows), rows, lines, strict=True):
            if values is None or known.setdefault(values, line) is line:
                new.append(line)
            else:
                self._compare(known[values], row, line)
        self._keep(new)

    def _is_again(self, lines: Sequence[bytes]) -> bool:
        """Tell whether the page is the one before; where the API does not say what is next, it may stand for another."""
        digest = hashlib.sha256(b"\n".join(lines)).digest()
        is_again, self._last = digest == self._last, digest
        if not self.names_next and digest in self._pages:
            raise UnsureError("two pages have the same rows, so that one may stand for another")
        self._pages.add(digest)
        # With a key, rows are counted one by one.
        return is_again and not self.key

    def _compare(self, known: bytes, row: Mapping[str, Any], line: bytes) -> None:
        """Count a row whose key has been before; it must be the same."""
        if known != line and json.loads(known) != json.loads(line):
            shown = one_line(lines_of([{name: row[name] for name in self.key}])[0].decode(), MAX_SAID)
            raise UnsureError(f"rows of one key, {shown}, have different contents")
        self.n_repeated += 1

    def _keys(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[object]:
        """Return the values of each row's key; None where one is missing, which no other row can equal."""
        if len(self.key) == 1:
            name = self.key[0]
            return (_comparable(row.get(name)) for row in rows)
        found = (tuple(_comparable(row.get(name)) for name in self.key) for row in rows)
        return (None if None in values else values for values in found)

    def _keep(self, lines: Sequence[bytes]) -> None:
        self.lines += lines
        self.n_bytes += sum(map(len, lines))


def _comparable(value: object) -> object:
    """Return a value that equals no other one: a truth value would equal a number, and a list has no place in a dictionary."""
    return value if value is None or type(value) in _PLAIN else (repr(value),)


def _walked(
    client: ApiClient, source: RestSourceSpec, params: Mapping[str, str], key: Sequence[str]
) -> _Walk:
    """Walk through the pages once."""
    walk = _Walk(key, names_next=not source.paging.is_counted)
    total: int | None = None
    progress = Progress(source.place)
    for number, (page, _) in enumerate(client.pages(params), start=1):
        if source.paging.total is not None:
            said = total_of(page.answer, source.paging.total)
            if total not in (None, said):
                raise UnsureError(f"the number of rows changes from {total:,} to {said:,} meanwhile")
            total = said
        n_before = len(walk.lines)
        walk.add(page)
        progress.add(len(walk.lines) - n_before)
        if walk.n_bytes > MAX_BYTES or number >= MAX_PAGES:
            raise client.reporter.error(
                f"gives more than {MAX_BYTES // 1024**3} GB or {MAX_PAGES:,} pages at once. Ask for narrower windows."
            )
    if total is not None and len(walk.lines) != total:
        raise UnsureError(f"there are {total:,} rows, and {len(walk.lines):,} came")
    return walk


def _params(client: ApiClient, source: RestSourceSpec, asked: Asked) -> dict[str, str]:
    """Return the parameters with window and partition in their slots."""
    slots = source.slots
    if slots & {"start", "end"} and asked.window is None:
        raise client.reporter.error(
            "asks for {start} and {end}, but is read without a partition of time. Declare event_time and partitions of "
            "time, or remove them from `params`."
        )
    if "partition" in slots and asked.partition is None:
        raise client.reporter.error(
            "asks for {partition}, but is read without one. Declare event_time, or remove it from `params`."
        )
    values = {"partition": asked.partition or ""}
    if asked.window is not None:
        values |= {"start": _instant(asked.window.start), "end": _instant(asked.window.end)}
    return {name: _filled(text, values) for name, text in source.params.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fill the slots of a text; what is filled in has none."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _key_of(dataset: DatasetSpec | None) -> Sequence[str]:
    """Return the columns of the key as the API names them; none where one is computed."""
    if dataset is None:
        return ()
    forms = [(name, dataset.column(name)) for name in dataset.key]
    if any(form.sql is not None for _, form in forms):
        return ()
    return [form.source or name for name, form in forms]
