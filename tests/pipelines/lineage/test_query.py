"""The lineage of a query: expected columns are read off each query by eye."""

import pytest

from pipelines.lineage.query import ColumnOf, QueryLineage, UnresolvedLineageError, query_lineage

TABLES = {"t": ("a", "b", "c Q", "d", "s"), "u": ("a", "x")}


def said(found: frozenset[ColumnOf]) -> str:
    return " ".join(sorted(f"{one.table}.{one.column}" for one in found))


def read(sql: str) -> QueryLineage:
    return query_lineage(sql, TABLES)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a AS k, b + a AS n FROM t", {"k": "t.a", "n": "t.a t.b"}),
        ("SELECT * FROM u", {"a": "u.a", "x": "u.x"}),
        ("FROM u", {"a": "u.a", "x": "u.x"}),
        ("SELECT * EXCLUDE (x) REPLACE (a + x AS a) FROM u", {"a": "u.a u.x"}),
        ("SELECT t.a, x FROM t LEFT JOIN u ON u.a = t.b", {"a": "t.a", "x": "u.x"}),
        ("SELECT p.b, q.x FROM t AS p JOIN u AS q USING (a)", {"b": "t.b", "x": "u.x"}),
        ('SELECT "c Q" AS "Made Of" FROM t', {"Made Of": "t.c Q"}),
        ("SELECT A, T.B FROM T", {"A": "t.a", "B": "t.b"}),
        ("WITH r AS (SELECT a AS k, b FROM t), q AS (SELECT k + b AS n FROM r) SELECT n FROM q", {"n": "t.a t.b"}),
        ("SELECT n FROM (SELECT a AS n FROM t) AS inner_one", {"n": "t.a"}),
        ("SELECT sum(b) OVER (PARTITION BY d ORDER BY s) AS n FROM t", {"n": "t.b t.d t.s"}),
        ("SELECT sum(b) OVER w AS n FROM t WINDOW w AS (PARTITION BY d ORDER BY s)", {"n": "t.b t.d t.s"}),
        ("SELECT sum(b) OVER v AS n FROM t WINDOW w AS (PARTITION BY d), v AS (w ORDER BY s)", {"n": "t.b t.d t.s"}),
        ("SELECT sum(b) OVER (w ROWS 2 PRECEDING) AS n FROM t WINDOW w AS (PARTITION BY d)", {"n": "t.b t.d"}),
        ("SELECT sum(b) FILTER (WHERE d = 'x') AS n FROM t", {"n": "t.b t.d"}),
        ("SELECT a + 1 AS k, k * 2 AS n FROM t", {"k": "t.a", "n": "t.a"}),
        ("SELECT a, b FROM t UNION ALL SELECT x, a FROM u", {"a": "t.a u.x", "b": "t.b u.a"}),
        ("SELECT a, b FROM t UNION ALL BY NAME SELECT x AS b, a FROM u", {"a": "t.a u.a", "b": "t.b u.x"}),
        ("SELECT a, b FROM t UNION ALL SELECT x, x FROM u", {"a": "t.a u.x", "b": "t.b u.x"}),
        ("SELECT a, b FROM t UNION ALL SELECT 0, 0 UNION ALL SELECT x, 0 FROM u", {"a": "t.a u.x", "b": "t.b"}),
        ("SELECT list_transform([b], x -> x + a) AS n FROM t", {"n": "t.a t.b"}),
        ("SELECT k.v AS n FROM (SELECT {'v': a} AS k FROM t)", {"n": "t.a"}),
        ("SELECT unnest(generate_series(a, b)) AS n FROM t", {"n": "t.a t.b"}),
        ("SELECT g.i FROM t, unnest([a, b]) AS g(i)", {"i": "t.a t.b"}),
        ("SELECT l.z FROM t, LATERAL (SELECT t.a + 1 AS z) AS l", {"z": "t.a"}),
        ("SELECT (SELECT max(x) FROM u WHERE u.a = t.b) AS m FROM t", {"m": "t.b u.* u.a u.x"}),
        ("SELECT count(*) AS n FROM t", {"n": "t.*"}),
        ("SELECT count(*) AS n FROM t WHERE d = 'x'", {"n": "t.* t.d"}),
        ("SELECT a, count(*) AS n FROM t GROUP BY ALL", {"a": "t.a", "n": "t.* t.a"}),
    ],
)  # fmt: skip
def test_a_column_is_made_of_what_its_expression_names(sql: str, expected: dict[str, str]) -> None:
    assert {name: said(found) for name, found in read(sql).columns.items()} == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t", "t.*"),
        ("SELECT a FROM t WHERE d = 'x'", "t.* t.d"),
        ("SELECT t.b FROM t JOIN u ON u.a = t.a", "t.* t.a u.* u.a"),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.b)", "t.* t.b u.* u.x"),
        ("SELECT DISTINCT a, b FROM t", "t.* t.a t.b"),
        ("SELECT a, sum(b) AS n FROM t GROUP BY ALL", "t.* t.a"),
        ("SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY d ORDER BY s) = 1", "t.* t.d t.s"),
        ("SELECT a FROM t ORDER BY s", "t.*"),
        ("SELECT a FROM t ORDER BY s LIMIT 3", "t.* t.s"),
        ("WITH r AS (SELECT a FROM t WHERE d = 'x') SELECT a FROM r WHERE a > 1", "t.* t.a t.d"),
        ("SELECT a FROM t UNION SELECT x FROM u", "t.* t.a u.* u.x"),
    ],
)
def test_rows_are_decided_by_filters_joins_and_groups(sql: str, expected: str) -> None:
    assert said(read(sql).rows) == expected


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT columns('a|b') FROM t", "COLUMNS"),
        ("SELECT min(columns(*)) FROM u", "COLUMNS"),
        ("SELECT * LIKE 'a%' FROM t", "not spelled out"),
        ("PIVOT t ON d USING sum(b)", "not a SELECT"),
        ("SELECT * FROM t PIVOT (sum(b) FOR d IN ('x'))", "PIVOT"),
        ("SELECT t FROM t", "whole row"),
        ("SELECT nope FROM t", "'nope' could not be resolved"),
        ("SELECT count(*) AS n FROM elsewhere", "no dataset or query"),
        ("WITH RECURSIVE r AS (SELECT a FROM t UNION ALL SELECT a + 1 FROM r WHERE a < 3) SELECT a FROM r", "recursive"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_the_reason(sql: str, why: str) -> None:
    with pytest.raises(UnresolvedLineageError, match=why):
        read(sql)
