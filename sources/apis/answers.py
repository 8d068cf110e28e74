"""Answers of an API: JSON with numbers as they are written, the rows in it, and each row as a line of flat JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson

_MARK = secrets.token_hex(12)
"""Stands around numbers with a fraction, which are kept as text; nobody outside can know it."""

_BETWEEN = secrets.token_hex(12)
"""Stands between the rows of a page while they are written."""

_OPENS, _CLOSES, _PARTS = f'"{_MARK}'.encode(), f'{_MARK}"'.encode(), f',"{_BETWEEN}",'.encode()
"""The same in JSON."""

_ABSENT = object()

_LAST = "-1"
"""The last of a list, in a path."""


class AnswerError(ValueError):
    """An answer is not as the declaration says. The message is a clause about the answer."""


class Page(list[Mapping[str, Any]]):
    """Rows of one answer, with the whole answer for the paths in it."""

    def __init__(self, rows: list[Mapping[str, Any]], answer: object) -> None:
        super().__init__(rows)
        self.answer = answer


def parsed(body: bytes) -> object:
    """Return the value of a text in JSON; a number with a fraction or exponent is a text that `lines_of` writes as it came.

    Raises
    ------
    AnswerError
        If it is no JSON, or an object has a name twice.
    """
    try:
        answer: object = _DECODER.decode(body.decode(json.detect_encoding(body)).removeprefix("\ufeff"))
    except AnswerError:
        raise
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"is no JSON ({error})") from error
    return answer


def value_at(answer: object, path: str) -> object:
    """Return what stands at a path of names with points between; None where nothing does.

    A name may hold points itself, and `-1` is the last of a list.

    Examples
    --------
    >>> value_at({"meta": {"next": "b"}}, "meta.next"), value_at({"@odata.nextLink": "c"}, "@odata.nextLink")
    ('b', 'c')
    >>> value_at({"data": [{"id": 1}, {"id": 2}]}, "data.-1.id")
    2
    """
    found = _at(answer, path)
    return None if found is _ABSENT else found


def rows_path(answer: object) -> str:
    """Return the path of the rows: '' for the answer itself, or its only list.

    Raises
    ------
    AnswerError
        If there is none, or more than one.
    """
    if isinstance(answer, list):
        return ""
    if not isinstance(answer, dict):
        raise AnswerError("is neither a list nor an object with one. Name the path of the list in `rows`")
    lists = [name for name, value in answer.items() if isinstance(value, list)]
    if len(lists) != 1:
        has = "has no list" if not lists else f"has the lists {', '.join(map(repr, lists[:10]))}"
        raise AnswerError(f"{has}. Name the path of the one with the rows in `rows`")
    return str(lists[0])


def page_of(answer: object, path: str) -> Page:
    """Return the rows at a path.

    Raises
    ------
    AnswerError
        If there is no list of objects.
    """
    where = f"at '{path}'" if path else "as a whole"
    found = _at(answer, path) if path else answer
    if not isinstance(found, list):
        what = "nothing" if found is _ABSENT else "null" if found is None else f"no list but {_kind(found)}"
        raise AnswerError(f"has {what} {where}. Correct `rows`")
    for row in found:
        if not isinstance(row, dict):
            raise AnswerError(
                f"has {_kind(row)} among the rows {where}, but each row is an object. Correct `rows`"
            )
    return Page(found, answer)


def total_of(answer: object, path: str) -> int:
    """Return the number of all rows.

    Raises
    ------
    AnswerError
        If there is none.
    """
    found = value_at(answer, path)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise AnswerError(f"has no number of rows at '{path}'. Correct `paging.total`")
    return found


def reference_at(answer: object, path: str) -> str | None:
    """Return the cursor or URL of the next page; None where there is no more.

    Raises
    ------
    AnswerError
        If something else stands there.
    """
    found = value_at(answer, path)
    if found is None or found is False or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise AnswerError(
            f"has {_kind(found)} at '{path}', but a text or number says what is next. Correct `paging.next`"
        )
    return str(found).replace(_MARK, "")


class Columns:
    """Columns of rows: objects inside become columns with the path as name, lists stay as they are."""

    def __init__(self) -> None:
        self._paths: dict[str, tuple[str, ...]] = {}
        self._inside: dict[tuple[str, ...], dict[str, str]] = {}

    def flat(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row with its columns.

        Raises
        ------
        AnswerError
            If two values would have one name.
        """
        flat: dict[str, Any] = {}
        for name, value in row.items():
            # An empty object has no values that could stand for it.
            if type(value) is dict and value:
                self._fill(flat, (name,), value)
            elif "." in name:
                flat[self._named((), name)] = value
            else:
                flat[name] = value
        return flat

    def _fill(self, flat: dict[str, Any], before: tuple[str, ...], values: Mapping[str, Any]) -> None:
        """Add columns with a point in their names, which two paths can make."""
        known = self._inside.get(before) or self._inside.setdefault(before, {})
        for name, value in values.items():
            if type(value) is dict and value:
                self._fill(flat, (*before, name), value)
                continue
            column = known.get(name)
            if column is None:
                column = known[name] = self._named(before, name)
            flat[column] = value

    def _named(self, before: tuple[str, ...], name: str) -> str:
        path = (*before, name)
        column = ".".join(path)
        if self._paths.setdefault(column, path) != path:
            raise AnswerError(
                f"has two values that would be the column '{column}': a name with a point in it, and an object's value"
            )
        return column


def lines_of(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Return the lines of flat rows, with numbers as they came."""
    if not rows:
        return []
    # A page in one go: a call of the encoder a row takes longer than what it does.
    parts: list[Any] = [_BETWEEN] * (2 * len(rows) - 1)
    parts[::2] = rows
    try:
        text = orjson.dumps(parts)
    except TypeError:
        text = _slowly(parts)
    return text[1:-1].replace(_OPENS, b"").replace(_CLOSES, b"").split(_PARTS)


def _slowly(parts: Sequence[Any]) -> bytes:
    """Return JSON of what the fast encoder has no form for: numbers of more than 64 bits, deep lists, and half a character."""
    text = _ENCODER.encode(parts)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half a character, which only an escape can hold: the engine says that it is none.
        return "".join(_escaped(sign) for sign in text).encode()


def _escaped(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if "\ud800" <= sign <= "\udfff" else sign


def _at(answer: object, path: str) -> object:
    if isinstance(answer, list):
        head, _, rest = path.partition(".")
        last = answer[-1] if answer and head == _LAST else _ABSENT
        return _at(last, rest) if rest else last
    if not isinstance(answer, dict):
        return _ABSENT
    if path in answer:
        return answer[path]
    cuts = [place for place, sign in enumerate(path) if sign == "." and path[:place] in answer]
    # The longest name first; where it leads nowhere, a shorter one may.
    found = (_at(answer[path[:cut]], path[cut + 1 :]) for cut in reversed(cuts))
    return next((one for one in found if one is not _ABSENT), _ABSENT)


def is_text(value: object) -> bool:
    """Tell whether a value of an answer is a text, and not a number that is kept as one."""
    return isinstance(value, str) and not value.startswith(_MARK)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "a number" if value.startswith(_MARK) else "a text"
    kinds = {bool: "a truth value", int: "a number", list: "a list", dict: "an object"}
    return kinds[type(value)]


def _written(number: str) -> str:
    return f"{_MARK}{number}{_MARK}"


def _refuse(constant: str) -> NoReturn:
    raise AnswerError(f"is no JSON: {constant} is no number there")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise AnswerError(f"has an object with '{twin}' twice, so that its value cannot be told")
    return made


_DECODER = json.JSONDecoder(parse_float=_written, parse_constant=_refuse, object_pairs_hook=_object)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
