"""Write YAML with comments: scalars that load as what they are, whatever a file's columns are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache

from declaration.sql import quote_identifier

WIDTH = 112
"""Columns at which comments are broken."""

_SQL_WORDS = frozenset(
    {
        "all", "and", "any", "as", "asc", "at", "between", "both", "by", "case", "cast", "check", "collate",
        "column", "constraint", "create", "cross", "current_date", "current_time", "current_timestamp", "default",
        "desc", "describe", "distinct", "do", "else", "end", "except", "exists", "false", "fetch", "filter", "for",
        "foreign", "from", "full", "group", "having", "in", "initially", "inner", "intersect", "interval", "into",
        "is", "join", "lateral", "leading", "left", "like", "limit", "natural", "not", "null", "offset", "on",
        "only", "or", "order", "outer", "over", "pivot", "position", "primary", "qualify", "references", "right",
        "row", "rows", "select", "show", "similar", "some", "summarize", "table", "then", "to", "trailing", "true",
        "union", "unique", "unpivot", "user", "using", "values", "variadic", "when", "where", "window", "with",
    }
)  # fmt: skip
"""Words that are not columns unless they are quoted, also to the parser that finds an expression's columns."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}


def scalar(value: object) -> str:
    r"""Write a value as one YAML scalar.

    Examples
    --------
    >>> scalar("amount"), scalar("no"), scalar('a: "b" # c'), scalar(0.5)
    ('amount', '"no"', '"a: \\"b\\" # c"', '0.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # YAML 1.1 wants a point and a sign: 1e+16 would be a text.
        text = repr(value)
        mantissa, _, exponent = text.partition("e")
        if not exponent:
            return text
        signed = exponent if exponent[0] in "+-" else f"+{exponent}"
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{signed}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Write a text in double quotes; what YAML does not print is escaped."""
    return "".join(
        sign
        if sign.isprintable() and ord(sign) not in (0x85, 0xA0, 0x2028, 0x2029, 0xFEFF)
        else _escape(sign)
        for sign in json.dumps(text, ensure_ascii=False)
    )


def _escape(sign: str) -> str:
    code = ord(sign)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}"


def sql_name(name: str) -> str:
    """Write a column as SQL, plainly where it can be.

    Examples
    --------
    >>> sql_name("amount"), sql_name("order")
    ('amount', '"order"')
    """
    is_plain = name.isascii() and name.isidentifier() and name.islower()
    return name if is_plain and name not in _SQL_WORDS | _keywords() else quote_identifier(name)


@cache
def _keywords() -> frozenset[str]:
    """Return the engine's own words that do not stand for a column everywhere."""
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.sql(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(row[0] for row in rows)


def snake_case(text: str) -> str:
    """Write a name in lower-case letters, digits and underscores.

    Examples
    --------
    >>> snake_case("Customer ID"), snake_case("customerId")
    ('customer_id', 'customer_id')
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def flow(value: object) -> str:
    """Write lists and mappings in one line.

    Examples
    --------
    >>> flow({"expect": "column_values_to_be_unique", "column": "id no"})
    '{expect: column_values_to_be_unique, column: "id no"}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def one_line(text: str) -> str:
    """Write a text in one line, without what does not print."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def comment(text: str, indent: int) -> list[str]:
    """Write a comment in lines of `WIDTH`; what it quotes from a file cannot end it."""
    words = one_line(text).split()
    lines: list[str] = []
    line = ""
    for word in words:
        if line and indent + 2 + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    return [f"{' ' * indent}# {line}".rstrip() for line in lines]
