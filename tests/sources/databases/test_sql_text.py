"""The bounds in a query are told from quotes, comments and casts."""

import pytest

from sources.databases.sql_text import bounds_in, with_bounds

KEPT = [
    "SELECT ':start'",
    "SELECT 'it''s :start'",
    'SELECT ":start" FROM "a"":end"',
    "SELECT `:start`",
    "SELECT a::start",
    "SELECT 1 -- :start\n",
    "SELECT 1 /* :start\n:end */",
    "SELECT $$:start$$, $a$ $$ :end $a$",
    "SELECT E'\\' :start'",
    "SELECT a[1:2], x :starting",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_bound_stays(text: str) -> None:
    assert bounds_in(text) == frozenset()
    assert with_bounds(text, "<{}>".format) == text


def test_a_backslash_escapes_a_quote_in_mysql_alone() -> None:
    text = r"SELECT 'a\' , :start , '"
    assert bounds_in(text) == {"start"}
    assert bounds_in(text, backslashes=True) == frozenset()


@pytest.mark.parametrize("end", [";", " ; \n", ";\n-- done; :end\n", "; /* a; */"])
def test_the_last_semicolon_goes_with_what_is_said_after_it(end: str) -> None:
    assert with_bounds(f"SELECT ';' WHERE a >= :start{end}", "<{}>".format) == "SELECT ';' WHERE a >= <start>"
