"""Names as SQL: every word of the engine stands for a column, in every place that the scaffolder writes it."""

import duckdb
import pytest

from pipelines.loading.checks.expressions import columns_of
from pipelines.scaffolding.text import sql_name
from pipelines.scaffolding.times import present

PLACES = ("{}", "trim({})", "{} = 'a'", "CAST({} AS VARCHAR)", "if({} IS NULL, 1, 2)", "strptime({}, '%Y')")


def test_every_keyword_is_a_column() -> None:
    with duckdb.connect() as connection:
        words = [row[0] for row in connection.sql("SELECT keyword_name FROM duckdb_keywords()").fetchall()]
        assert len(words) > 400
        for word in words:
            listed = ", ".join(place.format(sql_name(word)) for place in PLACES)
            connection.sql(
                f"SELECT {listed}, {present(word)} FROM (SELECT '2024' AS {sql_name(word)})"
            ).fetchall()


@pytest.mark.parametrize(
    "word", ["at", "order", "binary", "end", "pivot", "time", "interval", "value", "year"]
)
def test_the_columns_of_an_expression_are_found_behind_keywords(word: str) -> None:
    assert columns_of(f"{present(word)} = 'a'") == {word}
