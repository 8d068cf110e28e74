"""Labels carry the instant of the prediction and the instant of the truth, and cannot leak."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.labels.asset import materialize_labels
from assets.materialization import StageRun
from assets.raw.asset import materialize_raw
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.target_sql import LabelError, entity_keys, label_query, row_id, target_key
from resources.lake.lake import Lake
from tests.fixtures.tiny import ROWS_PER_DAY, day_window, lake_and_engine, scope, tiny_pipeline, write_sources


def labels_of(tmp_path: Path, **target: object) -> tuple[Lake, object]:
    """Materialize the labels of day 0 with a changed target."""
    write_sources(tmp_path, n_days=1)
    pipeline = with_target(tiny_pipeline(tmp_path), **target)
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(pipeline, scope(0), lake, engine), "readings")
    lake.write("tiny/profiled/readings", lake.read("tiny/raw/readings"), partition=day_window(0).key)
    return lake, materialize_labels(StageRun(pipeline, scope(0), lake, engine))


def with_target(pipeline: Pipeline, **changes: object) -> Pipeline:
    target = pipeline.spec.target.model_copy(update=changes)
    spec = pipeline.spec.model_copy(update={"target": target})
    return Pipeline(pipeline.name, spec, pipeline.folder, pipeline.sql, pipeline.spec_hash)


def test_every_row_to_predict_is_there_with_its_instants(tmp_path: Path) -> None:
    lake, _ = labels_of(tmp_path)
    rows = lake.read("tiny/labels")
    assert rows.num_rows == ROWS_PER_DAY
    first = rows.slice(0, 1).to_pylist()[0]
    assert first["event_timestamp"] == day_window(0).start
    assert (first["label_time"] - first["event_timestamp"]).total_seconds() == 3600
    assert first["label"] in (0, 1)
    assert {"request__heat", "request__load", "machine", "row_id"} <= set(rows.column_names)


def test_rows_without_label_are_kept(tmp_path: Path) -> None:
    lake, outcome = labels_of(tmp_path, label="CASE WHEN load > 0.5 THEN failed END")
    rows = lake.read("tiny/labels")
    assert rows.num_rows == ROWS_PER_DAY
    n_unlabelled = rows["label"].null_count
    assert 0 < n_unlabelled < ROWS_PER_DAY
    assert rows["label_time"].null_count == n_unlabelled
    assert outcome.metadata["n_unlabelled"] == n_unlabelled  # type: ignore[attr-defined]


def test_only_rows_that_are_asked_for_are_predicted(tmp_path: Path) -> None:
    lake, _ = labels_of(tmp_path, where="machine = 'm1'")
    assert set(lake.read("tiny/labels")["machine"].to_pylist()) == {"m1"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"label_time": "taken_at - INTERVAL 1 HOUR"}, "400 labels are known before the prediction is made"),
        ({"label_time": "NULL"}, "400 rows have a label and no label_time"),
        ({"prediction_time": "NULL"}, "400 rows have no prediction_time"),
        ({"key": ("machine",)}, r"5 keys \(machine\) stand for more than one row"),
        ({"label": "nonsense + 1"}, "nonsense"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_refused(
    tmp_path: Path, target: dict[str, object], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        labels_of(tmp_path, **target)
    assert not lake_and_engine(tmp_path)[0].has("tiny/labels")


def test_a_target_without_key_is_refused(tmp_path: Path) -> None:
    spec = tiny_pipeline(tmp_path).spec
    readings = spec.datasets["readings"].model_copy(update={"key": ()})
    keyless = spec.model_copy(update={"datasets": {**spec.datasets, "readings": readings}})
    with pytest.raises(LabelError, match=r"has no key. Give `key` in `target`"):
        target_key(keyless)


def test_only_entities_with_a_view_are_joined(tmp_path: Path) -> None:
    spec = tiny_pipeline(tmp_path).spec
    more = spec.model_copy(update={"entities": {**spec.entities, "unused": ("load",)}})
    assert entity_keys(more) == ("machine",)


texts = st.one_of(st.none(), st.text(alphabet="ab:-1", max_size=3))


@given(st.tuples(texts, texts), st.tuples(texts, texts))
def test_different_keys_have_different_row_ids(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None]
) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {row_id(['a', 'b'])} FROM (SELECT $1::VARCHAR AS a, $2::VARCHAR AS b "
            "UNION ALL SELECT $3::VARCHAR, $4::VARCHAR)",
            [*one, *other],
        ).fetchall()
    assert (found[0] == found[1]) == (one == other)


def test_a_wall_clock_event_time_is_read_in_the_partitions_zone(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    readings = pipeline.spec.datasets["readings"]
    columns = {**readings.columns, "taken_at": "timestamp"}
    datasets = {**pipeline.spec.datasets, "readings": readings.model_copy(update={"columns": columns})}
    partitions = pipeline.spec.partitions.model_copy(update={"timezone": "America/New_York"})
    spec = pipeline.spec.model_copy(update={"datasets": datasets, "partitions": partitions})
    naive = Pipeline(pipeline.name, spec, pipeline.folder, pipeline.sql, "hash")
    january = partitioning(partitions).window("2024-01-01")
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE readings AS SELECT 1 AS id, 'm' AS machine, TIMESTAMP '2024-01-01 23:30:00' AS taken_at, "
            "1.0 AS heat, 0.5 AS load, true AS failed"
        ).fetchall()
        rows = connection.sql(label_query(naive, january)).fetchall()
        event_time = connection.sql(f"SELECT event_time FROM ({label_query(naive, january)})").fetchall()
    assert len(rows) == 1
    assert event_time[0][0].astimezone(UTC) == datetime(2024, 1, 2, 4, 30, tzinfo=UTC)
