"""What a view's SQL reads is found; what it gives is kept to its partition and to stable types."""

import pyarrow as pa
import pytest

from assets.features.view_sql import FeatureError, feature_names, kept_to_window, stable_types
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, names_in, queries_behind, tables_read
from tests.fixtures.tiny import day_window, tiny_pipeline


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1 AS x", ()),
        ("SELECT * FROM a, b", ("a", "b")),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a", ("b",)),
        ("SELECT * FROM a WHERE id IN (SELECT id FROM c)", ("a", "c")),
        ('SELECT * FROM "select" ASOF JOIN b USING (k, t)', ("b", "select")),
        ("SELECT * FROM a UNION ALL SELECT * FROM b", ("a", "b")),
    ],
)
def test_the_tables_of_a_query_are_found(sql: str, tables: tuple[str, ...]) -> None:
    assert tables_read(sql) == tables


def with_queries(pipeline: Pipeline, **queries: str) -> Pipeline:
    spec = pipeline.spec.model_copy(update={"queries": {name: f"{name}.sql" for name in queries}})
    sql = {**pipeline.sql, **{f"{name}.sql": text for name, text in queries.items()}}
    return Pipeline(pipeline.name, spec, pipeline.folder, sql, pipeline.spec_hash)


def test_datasets_are_found_through_named_queries(tmp_path: object) -> None:
    pipeline = with_queries(
        tiny_pipeline(tmp_path),  # type: ignore[arg-type]
        hot="SELECT * FROM warm WHERE heat > 2",
        warm="SELECT * FROM readings JOIN machines USING (machine)",
    )
    sql = "SELECT * FROM hot"
    assert datasets_behind(pipeline, sql) == ("machines", "readings")
    assert list(queries_behind(pipeline, sql)) == ["warm", "hot"]


def test_rows_outside_the_partition_are_left_out() -> None:
    import duckdb

    window = day_window(1)
    rows = "SELECT unnest(generate_series(TIMESTAMPTZ '2024-01-01 00:00:00Z', TIMESTAMPTZ '2024-01-04 00:00:00Z', INTERVAL 12 HOUR)) AS event_timestamp;"
    kept = duckdb.sql(
        f"SELECT count(*), min(event_timestamp), max(event_timestamp) FROM ({kept_to_window(rows, window)})"
    )
    n_rows, first, last = kept.fetchall()[0]
    assert n_rows == 2
    assert first == window.start
    assert last < window.end


def test_keys_and_times_are_no_features() -> None:
    columns = ["machine", "event_timestamp", "created_timestamp", "heat"]
    assert feature_names(columns, ["machine"]) == ("heat",)


def test_wide_sums_become_stable_numbers() -> None:
    import duckdb

    relation = "SELECT 1 AS k, sum(1) AS total, 1.5::DECIMAL(9,2) AS price, 2::UTINYINT AS small, 'x' AS name"
    schema = duckdb.sql(relation).to_arrow_table().schema
    found = duckdb.sql(stable_types(relation, schema, ["k"])).to_arrow_table().schema
    assert found.field("price").type == pa.float64()
    assert found.field("total").type in (pa.float64(), pa.int64())
    assert found.field("small").type == pa.int64()
    assert found.field("name").type == pa.string()


def test_a_nested_feature_is_refused() -> None:
    schema = pa.schema([("k", pa.int64()), ("many", pa.list_(pa.int64()))])
    with pytest.raises(FeatureError, match=r"column 'many' is of type list.* Cast it"):
        stable_types("SELECT 1", schema, ["k"])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM flights",
        "SELECT f.* FROM flights f",
        "FROM flights",
        "SELECT COLUMNS('d.*') FROM flights",
        "SELECT hash(flights) FROM flights",
        "SELECT hash(f) AS h FROM flights AS f",
        "SELECT delay FROM flights NATURAL JOIN planes",
        "SELECT n FROM (PIVOT flights ON origin USING count(*))",
    ],
)
def test_columns_that_are_read_without_their_names_are_not_guessed(sql: str) -> None:
    assert names_in(sql) is None
