"""Text of a query: the names `:start` and `:end` in it, told from what quotes and comments hold."""

from __future__ import annotations

import re
from collections.abc import Callable

BOUNDS = ("start", "end")
"""Names in a query that stand for the partition's bounds, after a colon."""

_SKIPPED = r"""
    (?P<end>\s*;\s*(?:--[^\n]*\s*|/\*.*?\*/\s*)*\Z)
  | --[^\n]*
  | /\*.*?\*/
  | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$
  | "(?:[^"]|"")*"
  | `[^`]*`
  | ::
"""
_PLAIN_STRING = r"[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*'"
_BACKSLASH_STRING = r"'(?:[^'\\]|''|\\.)*'"
_NAME = rf":(?P<name>{'|'.join(BOUNDS)})\b"

_TOKENS = {
    has_backslashes: re.compile(f"{_SKIPPED} | {string} | {_NAME}", re.VERBOSE | re.DOTALL)
    for has_backslashes, string in ((False, _PLAIN_STRING), (True, _BACKSLASH_STRING))
}


def with_bounds(text: str, written: Callable[[str], str], *, backslashes: bool = False) -> str:
    """Return a query in which each bound is written in the database's way, and the semicolon at its end is gone.

    Parameters
    ----------
    text
        The query.
    written
        Gives what stands for `start` and for `end`.
    backslashes
        Whether a backslash escapes a quote in the database's texts, as in MySQL.

    Examples
    --------
    >>> with_bounds("SELECT ':start', a::start FROM t WHERE at >= :start -- :end", lambda name: f"${name}")
    "SELECT ':start', a::start FROM t WHERE at >= $start -- :end"
    """

    def replaced(match: re.Match[str]) -> str:
        if match["end"] is not None:
            return ""
        return written(match["name"]) if match["name"] else match[0]

    return _TOKENS[backslashes].sub(replaced, text)


def bounds_in(text: str, *, backslashes: bool = False) -> frozenset[str]:
    """Return the bounds that a query names.

    Examples
    --------
    >>> sorted(bounds_in("SELECT * FROM t WHERE at >= :start AND at < :end"))
    ['end', 'start']
    """
    return frozenset(
        match["name"] for match in _TOKENS[backslashes].finditer(text) if match["name"] is not None
    )
