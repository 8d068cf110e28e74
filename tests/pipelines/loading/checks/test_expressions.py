"""Columns that an expression reads, whatever they are called."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.loading.checks.expressions import columns_of


@pytest.mark.parametrize("word", ["load", "set", "execute", "comment", "call", "begin", "use"])
def test_a_column_named_like_a_statement_is_a_column(word: str) -> None:
    with duckdb.connect() as connection:
        assert connection.sql(f"SELECT {word} FROM (SELECT 1 AS {word})").fetchall() == [(1,)]
    assert columns_of(word) == columns_of(f"{word} * 2") == {word}


def test_a_comment_may_end_an_expression() -> None:
    assert columns_of("a + b -- and nothing else") == {"a", "b"}
