"""Backslash escapes of a CSV file's records, undone: what they protect is put in quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from declaration.sources.text import CsvSourceSpec
from sources.rejects import MAX_LINE_BYTES, ReadError


class Escapes:
    """Escapes of one dialect.

    Parameters
    ----------
    path
        File, for messages.
    source
        Declares the dialect.
    """

    def __init__(self, path: Path, source: CsvSourceSpec) -> None:
        self._path = path
        self._delimiter = source.delimiter.encode()
        self._quote = (source.quote_sign or "").encode()
        self._quote_out = (source.text_table.quote or "").encode()
        delimiter, quote = re.escape(self._delimiter), re.escape(self._quote)
        escaped = rb"\\(?:\r\n|" + delimiter + rb"|.|\Z)"
        self._plain = re.compile(rb"(?:(?!" + delimiter + rb")[^\\\r\n]|" + escaped + rb")*+", re.DOTALL)
        self._quoted = re.compile(
            rb"(?:[^\\" + quote + rb"]++|" + escaped + rb"|" + quote * 2 + rb")*+", re.DOTALL
        )
        self._after = re.compile(rb"(?:(?!" + delimiter + rb")[^\r\n])*+")
        self._escape = re.compile(rb"\\(\r\n|" + delimiter + rb"|.)", re.DOTALL)
        self._escape_or_double = re.compile(
            self._escape.pattern + rb"|" + quote + rb"(" + quote + rb")", re.DOTALL
        )
        comment = (source.comment or "").encode()[:1]
        self._signs = {self._delimiter, self._quote_out, b"\\", b"\r\n", b"\n", b"\r", comment}

    def record(self, line: bytes, more: Iterator[bytes]) -> bytes:
        """Return the record that begins with a line, without escapes; its other lines are read on."""
        out: list[bytes] = []
        at, self._n_bytes = 0, 0
        while True:
            is_quoted = bool(self._quote) and line.startswith(self._quote, at)
            cell, line, at = self._in_quotes(line, at, more) if is_quoted else self._outside(line, at, more)
            out.append(cell)
            if not line.startswith(self._delimiter, at):
                return b"".join([*out, line[at:]])
            out.append(self._delimiter)
            at += len(self._delimiter)

    def _outside(self, line: bytes, at: int, more: Iterator[bytes]) -> tuple[bytes, bytes, int]:
        """Read a value without quotes; return it, the line it ends in, and where."""
        text, line, at = self._text(self._plain, line, at, more)
        value = self._escape.sub(self._sign, text)
        needs_quotes = (self._quote_out, self._delimiter, b"\r", b"\n")
        return (
            (self._in_out_quotes(value) if any(sign in value for sign in needs_quotes) else value),
            line,
            at,
        )

    def _in_quotes(self, line: bytes, at: int, more: Iterator[bytes]) -> tuple[bytes, bytes, int]:
        """Read a value in quotes; what follows its quote is left there, so that the record is a reject."""
        text, line, at = self._text(self._quoted, line, at + len(self._quote), more)
        if at == len(line):
            # Never closed: the reader refuses it.
            return self._quote + text, line, at
        value = self._escape_or_double.sub(self._sign, text)
        after = self._after.match(line, at + len(self._quote))
        rest = after[0] if after is not None else b""
        return self._in_out_quotes(value) + rest, line, at + len(self._quote) + len(rest)

    def _text(
        self, pattern: re.Pattern[bytes], line: bytes, at: int, more: Iterator[bytes]
    ) -> tuple[bytes, bytes, int]:
        """Read on while a value does: over line ends that are escaped or in quotes."""
        pieces = []
        while True:
            match = pattern.match(line, at)
            assert match is not None
            pieces.append(match[0])
            self._n_bytes += len(match[0])
            if self._n_bytes > MAX_LINE_BYTES:
                raise ReadError(
                    f"{self._path.name}: a record is longer than {MAX_LINE_BYTES:,} bytes, from {match[0][:40]!r} back. Close its quote."
                )
            at = match.end()
            if at < len(line) or (following := next(more, None)) is None:
                return b"".join(pieces), line, at
            line, at = following, 0

    def _sign(self, match: re.Match[bytes]) -> bytes:
        sign: bytes = match[match.lastindex or 0]
        return sign if sign in self._signs else match[0]

    def _in_out_quotes(self, value: bytes) -> bytes:
        quote = self._quote_out
        return quote + value.replace(quote, quote * 2) + quote
