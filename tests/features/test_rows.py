"""A view has keys, an instant and one row for each."""

import duckdb
import pytest

from assets.features.rows import check_columns, check_one_row_each, drop_rows_without_key
from assets.features.view_sql import FeatureError


def test_missing_keys_are_named() -> None:
    with pytest.raises(FeatureError, match=r"gives no column machine, event_timestamp. It gives: heat."):
        check_columns(["heat"], ["machine"], "recent")


def test_a_view_without_features_is_refused() -> None:
    with pytest.raises(FeatureError, match="has keys and times, but no feature"):
        check_columns(["machine", "event_timestamp"], ["machine"], "recent")


def test_rows_without_key_are_dropped_and_counted() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE v AS FROM (VALUES ('a', TIMESTAMP '2024-01-01'), (NULL, TIMESTAMP '2024-01-01'), ('b', NULL)) "
            "t(machine, event_timestamp)"
        ).fetchall()
        assert drop_rows_without_key(connection, "v", ["machine"]) == 2
        assert connection.sql("SELECT count(*) FROM v").fetchall() == [(1,)]


def test_two_rows_of_one_instant_are_refused_with_an_example() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE v AS FROM (VALUES ('a', TIMESTAMP '2024-01-01'), ('a', TIMESTAMP '2024-01-01')) "
            "t(machine, event_timestamp)"
        ).fetchall()
        with pytest.raises(FeatureError, match="2 rows for machine = a, event_timestamp = 2024-01-01"):
            check_one_row_each(connection, "v", ["machine"], ["machine", "event_timestamp"], "recent")
