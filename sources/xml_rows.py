"""Rows of an XML file, read as a stream: one element at a time is held, whatever the file's size.

Nothing that a document declares is expanded: entities are refused, and nothing outside the file is read.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from declaration.sources.xml import XmlSourceSpec
from declaration.text import one_line
from sources.compressed import opened
from sources.rejects import MAX_LINE_BYTES, ReadError

MAX_DEPTH = 100
"""Elements inside each other within a row: deeper ones are no table."""

MAX_TOKEN_BYTES = MAX_LINE_BYTES
"""Longest tag or text that the parser holds."""

_BLOCK_BYTES = 1 << 18
_MAX_SHOWN, _MAX_COUNTED = 10, 1_000
"""Paths that a message lists, and that are told apart."""

_OWN_ENCODINGS = frozenset({"utf-8", "utf-16", "iso8859-1", "ascii"})
"""Encodings that the parser reads itself."""

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")

Value = str | None | list["Value"]
"""Text of one occurrence, or a list with that of each."""


@dataclass
class _Element:
    """One element of a row."""

    attributes: Mapping[str, str]
    texts: list[str] = field(default_factory=list)
    """Its own texts, and those of the elements in it, in order."""
    children: dict[str, list[_Element]] = field(default_factory=dict)
    has_own_text: bool = False
    """Whether text other than blanks stands in it, and not only in the elements in it."""

    @property
    def text(self) -> str | None:
        """All text in it; None where that is blank."""
        return _or_none("".join(self.texts))

    def values(self, prefix: str) -> Iterator[tuple[str, Value]]:
        """Give the values of the element, by their paths."""
        for name, text in self.attributes.items():
            yield f"{prefix}@{name}", _or_none(text)
        # Of mixed content all the text, as XPath has it: pieces of a sentence say nothing. A row of attributes alone has no text to tell.
        is_told = not self.children and (bool(prefix) or not self.attributes)
        if is_told or self.has_own_text:
            yield prefix.removesuffix("/") or ".", self.text
        for name, elements in self.children.items():
            yield from _joined(f"{prefix}{name}/", elements)


def _joined(prefix: str, elements: Sequence[_Element]) -> Iterator[tuple[str, Value]]:
    """Give the values of elements of one name: where there are several, a list with one of each, so that they stay aligned."""
    if len(elements) == 1:
        yield from elements[0].values(prefix)
        return
    each = [dict(element.values(prefix)) for element in elements]
    for path in dict.fromkeys(path for values in each for path in values):
        yield path, [values.get(path) for values in each]


def _or_none(text: str) -> str | None:
    """Return a text; None where it is blank."""
    return text if text.strip() else None


def xml_rows(path: Path, source: XmlSourceSpec) -> Iterator[dict[str, Value]]:
    """Give the rows of an XML file, each by the paths of its values; a blank text is None.

    Parameters
    ----------
    path
        Plain or gzip-compressed file.
    source
        Names the element that is a row.

    Raises
    ------
    ReadError
        If the file is damaged, declares entities, or has no such element; with line and column.
    SourceError
        If it cannot be opened.
    """
    reader = _Reader(path, source)
    with opened(path) as stream:
        block = stream.read(_BLOCK_BYTES)
        decode, encoding = _decoding(path, block)
        parse = reader.parser(encoding)
        n_fed = 0
        while True:
            text = decode(block, not block)
            n_fed += len(text)
            parse(text, not block)
            yield from reader.taken()
            if not block:
                break
            reader.require_progress(n_fed)
            block = stream.read(_BLOCK_BYTES)
    if not reader.n_rows:
        raise ReadError(f"{path.name}: no element '{source.rows}'. {reader.shown()} Correct source.rows.")


def likely_rows(path: Path, first: bytes) -> str | None:
    """Return the path of the outermost element that repeats in a file's first bytes; None where none does.

    Raises
    ------
    ReadError
        If it is damaged there, or declares entities.
    """
    # No element has such a name: all of them stand around the place.
    reader = _Reader(path, XmlSourceSpec(type="xml", path=path.name, rows=" "))
    decode, encoding = _decoding(path, first)
    reader.parser(encoding)(decode(first, False), False)
    repeated = [(at.count("/"), -n, at) for at, n in reader.counts.items() if n > 1]
    return min(repeated)[-1] if repeated else None


def _as_it_is(block: bytes, is_last: bool) -> bytes:
    del is_last
    return block


def _decoding(path: Path, first: bytes) -> tuple[Callable[[bytes, bool], bytes], str | None]:
    """Return what makes bytes the parser reads, and their encoding; None where it is the document's own."""
    found = _ENCODING.match(first.removeprefix(codecs.BOM_UTF8))
    if found is None:
        return _as_it_is, None
    name = found[1].decode()
    try:
        codec = codecs.lookup(name)
    except LookupError as error:
        raise ReadError(f"{path.name}: the encoding '{name}' is unknown. Save it as UTF-8.") from error
    if codec.name in _OWN_ENCODINGS or codec.name == "utf-8-sig":
        return _as_it_is, None
    decoder = codec.incrementaldecoder(errors="strict")

    def decode(block: bytes, is_last: bool) -> bytes:
        try:
            return decoder.decode(block, is_last).encode()
        except UnicodeError as error:
            raise ReadError(
                f"{path.name}: not {name} text ({error}), as it says of itself. Save it as UTF-8."
            ) from error

    return decode, "utf-8"


class _Reader:
    """Handlers of the parser, and the rows that they make."""

    def __init__(self, path: Path, source: XmlSourceSpec) -> None:
        self._path, self._source = path, source
        self._names = {uri: prefix for prefix, uri in source.namespaces.items()}
        self._around: list[tuple[str, Mapping[str, str]]] = []
        """Elements around the place, as long as it is in no row, with their attributes."""
        self._open: list[_Element] = []
        """Elements of the row that are not closed."""
        self._rows: list[dict[str, Value]] = []
        self.counts: Counter[str] = Counter()
        """Elements outside rows by their paths, as many as are listed."""
        self._n_characters = 0
        self.n_rows = 0

    def parser(self, encoding: str | None) -> Callable[[bytes, bool], None]:
        """Return what parses the next bytes."""
        # A space stands in no name.
        self._expat = expat.ParserCreate(encoding, " " if self._names else None)
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.EntityDeclHandler = self._refuse_entity
        self._expat.ExternalEntityRefHandler = self._refuse_reference
        self._expat.SkippedEntityHandler = self._refuse_reference

        def parse(block: bytes, is_last: bool) -> None:
            try:
                self._expat.Parse(block, is_last)
            except (expat.ExpatError, ValueError, LookupError) as error:
                self._fail(
                    f"the XML is damaged, incomplete or no XML: {one_line(str(error)).split(': line')[0]}",
                    error,
                )

        return parse

    def taken(self) -> list[dict[str, Value]]:
        """Return the rows that have come since."""
        rows, self._rows = self._rows, []
        return rows

    def require_progress(self, n_fed: int) -> None:
        """Refuse a tag or a text that the parser holds and that does not end."""
        if n_fed - max(0, self._expat.CurrentByteIndex) > MAX_TOKEN_BYTES:
            self._fail(f"a tag or text is longer than {MAX_TOKEN_BYTES:,} bytes")

    def shown(self) -> str:
        """Return the paths that the file has."""
        paths = list(self.counts)
        more = f" and {len(paths) - _MAX_SHOWN} more" if len(paths) > _MAX_SHOWN else ""
        return f"It has: {', '.join(one_line(path, 80) for path in paths[:_MAX_SHOWN])}{more}."

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        named = {
            self._name(key): value
            for key, value in attributes.items()
            if key != "xmlns" and not key.startswith("xmlns:")
        }
        if self._open:
            self._grow(sum(map(len, attributes.values())) + len(name))
            if len(self._open) >= MAX_DEPTH:
                self._fail(f"elements stand more than {MAX_DEPTH} deep inside a row")
            element = _Element(named)
            self._open[-1].children.setdefault(self._name(name), []).append(element)
            self._open.append(element)
            return
        self._around.append((self._name(name), named))
        path = tuple(step for step, _ in self._around)
        at = "/".join(path)
        if at in self.counts or len(self.counts) < _MAX_COUNTED:
            self.counts[at] += 1
        if path == self._source.row_path:
            self._open.append(_Element(named))

    def _end(self, name: str) -> None:
        del name
        if not self._open:
            self._around.pop()
            return
        element = self._open.pop()
        if self._open:
            self._open[-1].texts += element.texts
        else:
            self._take(element)

    def _take(self, element: _Element) -> None:
        row = dict(element.values(""))
        for n_up, (_, attributes) in enumerate(reversed(self._around[:-1]), start=1):
            row |= {f"{'../' * n_up}@{name}": _or_none(text) for name, text in attributes.items()}
        self._rows.append(row)
        self.n_rows += 1
        self._n_characters = 0
        self._around.pop()

    def _text(self, text: str) -> None:
        if self._open:
            self._grow(len(text))
            element = self._open[-1]
            element.texts.append(text)
            element.has_own_text = element.has_own_text or not text.isspace()

    def _grow(self, n_characters: int) -> None:
        """Count what a row holds: one that does not end must not fill the memory."""
        self._n_characters += n_characters
        if self._n_characters > MAX_LINE_BYTES:
            self._fail(f"a row '{self._source.rows}' is longer than {MAX_LINE_BYTES:,} characters")

    def _name(self, name: str) -> str:
        """Return a name as paths write it."""
        uri, space, local = name.rpartition(" ")
        if not space:
            return name
        prefix = self._names.get(uri)
        return f"{{{uri}}}{local}" if prefix is None else f"{prefix}:{local}" if prefix else local

    def _refuse_entity(self, name: str, *declared: object) -> None:
        del declared
        self._fail(
            f"the entity '{one_line(name, 40)}' is declared, and entities are not expanded: they can grow without bound or read other files"
        )

    def _refuse_reference(self, *reference: object) -> int:
        name = next((part for part in reference if isinstance(part, str)), "")
        self._fail(
            f"the entity '{one_line(name, 40)}' is not defined in the file, so that its text would be lost"
        )

    def _fail(self, what: str, error: Exception | None = None) -> NoReturn:
        # Of an error its own place; else where the parser stands.
        line = getattr(error, "lineno", self._expat.CurrentLineNumber)
        column = getattr(error, "offset", self._expat.CurrentColumnNumber) + 1
        raise ReadError(
            f"{self._path.name}, line {line}, column {column}: {what}. Nothing was read: get the file again, or write it without that."
        ) from error
