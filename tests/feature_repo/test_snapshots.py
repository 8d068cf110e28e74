"""Sources are read at one version, whole, from disk and from an object store, or refused by name."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import DeltaFormat, ParquetFormat
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64

from feature_repo.asof_engine import EngineSettings, engine
from feature_repo.object_access import ObjectAccessError
from feature_repo.snapshots import SnapshotError, pinned, stored_rows
from tests.feature_repo.conftest import OURS
from tests.feature_repo.object_server import OBJECTS, object_server

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = pa.table(
    {
        "machine": [1, 2, 3],
        "event_timestamp": pa.array(
            [START + timedelta(hours=h) for h in range(3)], pa.timestamp("us", "UTC")
        ),
        "value": [1.0, 2.0, 3.0],
    }
)


def read(path: str, *wanted: str) -> list[dict[str, Any]]:
    """Read a source as the store does."""
    stored = stored_rows(path, wanted=wanted or None)
    with engine(EngineSettings(threads=1), [stored]) as connection:
        columns = ", ".join(wanted or stored.schema.names)
        return (
            connection.sql(f"SELECT {columns} FROM {stored.relation} ORDER BY ALL")
            .to_arrow_table()
            .to_pylist()
        )


def test_columns_of_partitions_are_read_where_they_are_wanted(tmp_path: Path) -> None:
    table = ROWS.append_column("site", pa.array(["a b", None, "ö/1"])).append_column(
        "day", pa.array([date(2024, 1, 1)] * 3)
    )
    write_deltalake(tmp_path, table, partition_by=["site", "day"])
    found = read(str(tmp_path), "machine", "site", "day")
    day = date(2024, 1, 1)
    assert [(row["machine"], row["site"], row["day"]) for row in found] == [
        (1, "a b", day),
        (2, None, day),
        (3, "ö/1", day),
    ]
    assert read(str(tmp_path), "value") == [{"value": 1.0}, {"value": 2.0}, {"value": 3.0}]


def test_a_version_stays_what_it_was(tmp_path: Path) -> None:
    path = str(tmp_path)
    write_deltalake(path, ROWS)
    write_deltalake(path, ROWS.slice(0, 1), mode="overwrite")
    assert len(read(path)) == 1
    with pinned({path: 0}):
        assert len(read(path)) == 3
    with pinned({path: 7}), pytest.raises(SnapshotError, match=r"cannot be read: .*7"):
        read(path)


def test_a_delta_table_of_no_rows_has_its_columns(tmp_path: Path) -> None:
    write_deltalake(tmp_path, ROWS.append_column("tags", pa.array([["x"]] * 3)).slice(0, 0))
    assert read(str(tmp_path)) == []
    assert stored_rows(str(tmp_path)).schema.names == [*ROWS.column_names, "tags"]


def test_a_file_and_a_folder_of_parquet_are_read(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    assert [row["machine"] for row in read(str(tmp_path / "rows.parquet"))] == [1, 2, 3]
    pads.write_dataset(
        ROWS, tmp_path / "parts", format="parquet", partitioning=["machine"], partitioning_flavor="hive"
    )
    assert [row["machine"] for row in read(str(tmp_path / "parts"), "machine", "value")] == [1, 2, 3]


def test_columns_that_are_not_there_or_alike_are_named(tmp_path: Path) -> None:
    pq.write_table(ROWS.append_column("Value", pa.array([7.0] * 3)), tmp_path / "rows.parquet")
    path = str(tmp_path / "rows.parquet")
    with pytest.raises(SnapshotError, match="differ in case alone: value, Value"):
        read(path, "value")
    assert len(read(path, "machine")) == 3
    with pytest.raises(
        SnapshotError, match=r"has no column speed. It has: machine, event_timestamp, value, Value"
    ):
        read(path, "speed")


def test_a_table_whose_files_do_not_tell_its_rows_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path, ROWS, configuration={"delta.enableDeletionVectors": "true"})
    with pytest.raises(SnapshotError, match=r"uses deletionVectors\. Rewrite it without them"):
        read(str(tmp_path))


@pytest.mark.parametrize("url", ["gs://lake/rates", "file:///lake/rates"])
def test_a_scheme_that_is_not_read_is_named(url: str) -> None:
    with pytest.raises(
        ObjectAccessError, match=r"'(gs|file)' is not read. Use a path on disk or an s3:// URL"
    ):
        stored_rows(url)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[OBJECTS]:
    """Serve an object store, and name it as a user would: in the environment."""
    with object_server() as (url, held):
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield held


def s3_store(folder: Path, path: str, form: Any) -> FeatureStore:
    config = RepoConfig(
        project="tests",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        offline_store=dict(OURS),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    machine = Entity(name="machine", join_keys=["machine"], value_type=ValueType.INT64)
    source = FileSource(name="rows", path=path, file_format=form, timestamp_field="event_timestamp")
    schema = [Field(name="machine", dtype=Int64), Field(name="value", dtype=Float64)]
    view = FeatureView(name="view", entities=[machine], schema=schema, source=source, ttl=timedelta(0))
    store.apply([machine, view])
    return store


def options() -> dict[str, str]:
    return {"AWS_ALLOW_HTTP": "true"}


@pytest.mark.filterwarnings("ignore:Saving dataset is an experimental:RuntimeWarning")
def test_delta_tables_in_an_object_store_are_joined_appended_to_and_saved(
    tmp_path: Path, objects: OBJECTS
) -> None:
    write_deltalake("s3://lake/rates", ROWS, storage_options=options())
    store = s3_store(tmp_path, "s3://lake/rates", DeltaFormat())
    labels = ROWS.select(["machine", "event_timestamp"])
    found = store.get_historical_features(entity_df=labels, features=["view:value"])
    assert found.to_arrow()["value"].to_pylist() == [1.0, 2.0, 3.0]
    later = ROWS.set_column(2, "value", pa.array([9.0, 8.0, 7.0]))
    later = later.set_column(
        1, "event_timestamp", pa.array([START + timedelta(hours=5)] * 3, pa.timestamp("us", "UTC"))
    )
    store.write_to_offline_store("view", later.to_pandas())
    assert DeltaTable("s3://lake/rates", storage_options=options()).version() == 1
    labels = later.select(["machine", "event_timestamp"])
    found = store.get_historical_features(entity_df=labels, features=["view:value"])
    assert found.to_arrow()["value"].to_pylist() == [9.0, 8.0, 7.0]
    for name, path, form in (
        ("one", "s3://lake/saved.parquet", ParquetFormat()),
        ("more", "s3://lake/saved", DeltaFormat()),
    ):
        saved = store.create_saved_dataset(found, name, SavedDatasetFileStorage(path, form))
        assert sorted(saved.to_df()["value"]) == [7.0, 8.0, 9.0]
    assert "/lake/saved.parquet" in objects


def test_parquet_in_an_object_store_is_joined(tmp_path: Path, objects: OBJECTS) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(ROWS, file)
    objects["/lake/rates/a.parquet"] = file.read_bytes()
    labels = ROWS.select(["machine", "event_timestamp"])
    for path in ("s3://lake/rates/a.parquet", "s3://lake/rates"):
        store = s3_store(tmp_path, path, ParquetFormat())
        found = store.get_historical_features(entity_df=labels, features=["view:value"]).to_arrow()
        assert found["value"].to_pylist() == [1.0, 2.0, 3.0]


def test_an_object_that_is_not_there_is_named(objects: OBJECTS) -> None:
    objects["/lake/other"] = b""
    with pytest.raises(SnapshotError, match="s3://lake/rates cannot be read as a Delta table or as Parquet"):
        stored_rows("s3://lake/rates")
