"""Pushed rows, logs and saved datasets are written whole, in one commit, or refused with the column's name."""

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from feast import FeatureService, FeatureStore, FileSource, KafkaSource
from feast.data_format import DeltaFormat, JsonFormat, ParquetFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage

from feature_repo.asof_store import AsofOfflineStore
from feature_repo.asof_writing import OfflineWriteError, source_path
from tests.feature_repo.conftest import OpenStore
from tests.feature_repo.machine_rows import hour, rows_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:Saving dataset is an experimental:RuntimeWarning",
    "ignore:Retrieving datasets is an experimental:RuntimeWarning",
    "ignore:Logging features is an experimental:RuntimeWarning",
)


def values(store: FeatureStore, machine: int, at: int) -> list[float | None]:
    frame = pd.DataFrame({"machine": [machine], "event_timestamp": [hour(at)]})
    found: list[float | None] = (
        store.get_historical_features(entity_df=frame, features=["view:value"])
        .to_arrow()["value"]
        .to_pylist()
    )
    return found


def table_of(store: FeatureStore) -> DeltaTable:
    return DeltaTable(source_path(store.get_feature_view("view").batch_source, None))


def test_pushed_rows_are_one_commit_whatever_the_order_of_their_columns(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    pushed = rows_of(*((1, 1 + number, float(number)) for number in range(50))).to_pandas()
    store.write_to_offline_store("view", pushed[pushed.columns[::-1]], reorder_columns=False)
    assert table_of(store).version() == 1
    assert (values(store, 1, 0), values(store, 1, 60)) == ([1.0], [49.0])


def test_a_filtered_frame_is_pushed_without_its_index(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    frame = rows_of((1, 1, 2.0), (1, 2, 3.0)).to_pandas()
    store.write_to_offline_store("view", frame[frame["value"] > 2])
    assert values(store, 1, 9) == [3.0]
    assert table_of(store).schema().to_arrow().names == rows_of().column_names


def test_pushed_rows_may_have_the_names_of_the_source_or_of_the_features(project: OpenStore) -> None:
    rows = rows_of((1, 0, 1.0)).rename_columns({"value": "v"})
    store = project({"view": rows}, field_mapping={"v": "value"}, features=["value"])
    store.write_to_offline_store("view", rows_of((1, 2, 2.0)).rename_columns({"value": "v"}).to_pandas())
    view = store.get_feature_view("view")
    counted: list[int] = []
    AsofOfflineStore.offline_write_batch(
        store.config, view, rows_of((1, 3, 3.0), (1, 4, 4.0)), counted.append
    )
    assert [values(store, 1, at) for at in (2, 3, 4)] == [[2.0], [3.0], [4.0]]
    assert counted == [2]


def test_values_are_given_the_types_of_the_table_unless_they_would_change(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    view = store.get_feature_view("view")

    def push(column: str, array: pa.Array) -> None:
        rows = rows_of((1, 2, 2.0))
        rows = rows.set_column(rows.schema.get_field_index(column), column, array)
        AsofOfflineStore.offline_write_batch(store.config, view, rows, None)

    push("value", pa.array([7]))
    push("event_timestamp", pa.array([datetime(2024, 1, 1, 5)], pa.timestamp("ns")))
    assert values(store, 1, 4) == [7.0]
    assert values(store, 1, 5) == [2.0]
    for column, array in (("machine", pa.array([1.5])), ("value", pa.array(["high"]))):
        with pytest.raises(OfflineWriteError, match=f"view 'view': column '{column}' is .*, the table's is"):
            push(column, array)
    assert table_of(store).version() == 2


@pytest.mark.parametrize(
    ("column", "array"),
    [
        ("machine", pa.array(["007"])),
        ("machine", pa.array([True])),
        ("machine", pa.array([2**63], pa.uint64())),
        ("value", pa.array(["3.7"])),
        ("value", pa.array([True])),
        ("value", pa.array([2**53 + 1])),
        ("event_timestamp", pa.array([date(2024, 1, 1)])),
        ("event_timestamp", pa.array(["2024-01-01"])),
        ("event_timestamp", pa.array([1], pa.timestamp("ns"))),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else given,
)
def test_a_value_of_another_kind_is_refused_though_it_could_be_cast(
    project: OpenStore, column: str, array: pa.Array
) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    rows = rows_of((1, 2, 2.0))
    rows = rows.set_column(rows.schema.get_field_index(column), column, array)
    with pytest.raises(
        OfflineWriteError, match=rf"column '{column}' is .*, the table's is .* Convert it before"
    ):
        AsofOfflineStore.offline_write_batch(store.config, store.get_feature_view("view"), rows, None)
    assert table_of(store).version() == 0


def test_columns_that_are_missing_or_unknown_are_named_and_nothing_is_written(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    view = store.get_feature_view("view")
    wrong = rows_of((1, 1, 1.0)).rename_columns({"value": "valeu"})
    with pytest.raises(OfflineWriteError, match=r"missing: value; unknown: valeu.*The table has: machine"):
        AsofOfflineStore.offline_write_batch(store.config, view, wrong, None)
    assert table_of(store).version() == 0


def test_a_file_of_parquet_is_not_pushed_to(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))}, as_parquet=True)
    with pytest.raises(
        OfflineWriteError, match="is no Delta table, so that rows cannot be added in one commit"
    ):
        store.write_to_offline_store("view", rows_of((1, 1, 1.0)).to_pandas())


def test_a_source_that_is_not_one_of_files_is_named() -> None:
    stream = KafkaSource(
        name="events",
        kafka_bootstrap_servers="",
        message_format=JsonFormat(""),
        topic="t",
        timestamp_field="at",
    )
    with pytest.raises(
        OfflineWriteError, match=r"source 'events' is a KafkaSource\. This offline store knows FileSource"
    ):
        source_path(stream, None)


def test_paths_are_relative_to_the_repository(tmp_path: Path) -> None:
    assert source_path(FileSource(path="data/rows", timestamp_field="at"), tmp_path) == str(
        tmp_path / "data/rows"
    )
    assert source_path(FileSource(path="/data/rows", timestamp_field="at"), tmp_path) == "/data/rows"
    assert source_path(FileSource(path="s3://lake/rows", timestamp_field="at"), tmp_path) == "s3://lake/rows"


@pytest.mark.parametrize(
    ("name", "form"),
    [("set.parquet", ParquetFormat()), ("folder", ParquetFormat()), ("delta", DeltaFormat())],
)
def test_a_saved_dataset_is_read_as_it_was_and_replaced_only_when_asked(
    project: OpenStore, tmp_path: Path, name: str, form: DeltaFormat | ParquetFormat
) -> None:
    store = project({"view": rows_of((1, 0, 1.0), (2, 0, 2.0))})
    labels = rows_of((1, 3, 0.0), (2, 5, 0.0)).select(["machine", "event_timestamp"])
    job = store.get_historical_features(entity_df=labels, features=["view:value"], full_feature_names=True)
    storage = SavedDatasetFileStorage(str(tmp_path / name), form)
    store.create_saved_dataset(job, "set", storage)
    found = store.get_saved_dataset("set").to_df().sort_values("machine")
    assert (found["machine"].tolist(), found["view__value"].tolist()) == ([1, 2], [1.0, 2.0])
    with pytest.raises(SavedDatasetLocationAlreadyExists, match=name):
        store.create_saved_dataset(job, "set", storage)
    fewer = store.get_historical_features(
        entity_df=labels.slice(1), features=["view:value"], full_feature_names=True
    )
    store.create_saved_dataset(fewer, "set", storage, allow_overwrite=True)
    assert store.get_saved_dataset("set").to_df()["view__value"].tolist() == [2.0]


@pytest.mark.parametrize("partition_by", [None, ["__log_date"]], ids=["one folder", "by day"])
def test_logs_of_served_features_are_kept_and_read_by_their_time(
    project: OpenStore, tmp_path: Path, partition_by: list[str] | None
) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    destination = FileLoggingDestination(path=str(tmp_path / "logs"), partition_by=partition_by)
    service = FeatureService(
        name="served", features=[store.get_feature_view("view")], logging_config=LoggingConfig(destination)
    )
    store.apply([service])
    schema = FeatureServiceLoggingSource(service, store.project).get_schema(store.registry)
    for number in range(3):
        at = hour(24 * number)
        row = {
            "machine": number, "view__value": float(number), "view__value__timestamp": at,
            "view__value__status": 1, "__log_timestamp": at, "__log_date": at.date(), "__request_id": f"r{number}",
        }  # fmt: skip
        logs = pa.Table.from_pylist([row], schema)
        if number == 1:
            folder = tmp_path / "incoming"
            folder.mkdir()
            pq.write_table(logs, folder / "part.parquet")
            store.write_logged_features(folder, service)
        else:
            store.write_logged_features(logs, service)
    job = store._get_provider().retrieve_feature_service_logs(
        service, hour(0), hour(24), store.config, store.registry
    )
    found = job.to_arrow().sort_by("__log_timestamp")
    assert found["view__value"].to_pylist() == [0.0, 1.0]
    # A folder's name does not tell its value's type.
    assert [str(day) for day in found["__log_date"].to_pylist()] == ["2024-01-01", "2024-01-02"]
    assert len(list((tmp_path / "logs").glob("**/*.parquet"))) == 3
    with pytest.raises(OfflineWriteError, match="the logs lack the columns __request_id"):
        store.write_logged_features(logs.drop_columns(["__request_id"]), service)
