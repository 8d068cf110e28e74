"""Portable regular expressions mean the same in Python and in the engine."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.regex import is_regex, portable_regex

TEXTS = (
    "",
    "a",
    "A",
    "a\n",
    "\na",
    "b a",
    "a-b",
    "N123",
    "n12",
    "٣",
    "é",
    "\u017f",
    "_",
    " ",
    "\u00a0",
    "\x1f",
    "$",
    "a$",
    "]",
    "é3 b\nc",
)
PIECES = (
    "a",
    "b",
    "N",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    r"\W",
    r"\S",
    ".",
    "[a-z]",
    r"[^\d]",
    r"[\w-]",
    r"\.",
    r"\$",
    "é",
    "(a|b)",
    "(?:xy)",
    "[$]",
)
REPEATS = ("", "*", "+", "?", "{2}", "{1,3}", "*?", "{2,}")


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(REPEATS)), min_size=1, max_size=4),
    start=st.sampled_from(("", "^", r"\A", "(?i)")),
    end=st.sampled_from(("", "$", r"\Z")),
)
def test_translation_finds_what_python_finds(
    connection: duckdb.DuckDBPyConnection, pieces: list[tuple[str, str]], start: str, end: str
) -> None:
    pattern = start + "".join(piece + repeat for piece, repeat in pieces) + end
    portable = portable_regex(pattern)
    assert portable is not None
    found = connection.execute(
        "SELECT list_transform($texts, lambda t: regexp_matches(t, $pattern))",
        {"texts": list(TEXTS), "pattern": portable},
    ).fetchall()
    assert found == [([re.search(pattern, text) is not None for text in TEXTS],)]


@pytest.mark.parametrize(
    "pattern",
    ["a(?=b)", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", "(?>a)", "a++", r"\bword", "[[:alpha:]]", "a{,3}", "(?m)^a",
     r"[\D]", "a{2000}", "[]a]", r"\N{BULLET}", "("],
)  # fmt: skip
def test_what_the_engine_cannot_mean_is_refused(pattern: str) -> None:
    assert portable_regex(pattern) is None


def test_patterns_that_python_cannot_compile_are_no_regular_expressions() -> None:
    assert not is_regex("(")
    assert is_regex("(a)")
