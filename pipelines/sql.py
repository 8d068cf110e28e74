"""Quoting: names and texts from outside become SQL only through here."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """Quote a name for SQL; names come from outside.

    Examples
    --------
    >>> quote_identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a text for SQL.

    Examples
    --------
    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
