"""Each method of Feast's offline store is ours, Feast's, or refused for a reason; and what the rest of the tests leave open."""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, FileSource, PushSource, ValueType
from feast.data_format import DeltaFormat, ParquetFormat
from feast.dqm.errors import ValidationFailed
from feast.dqm.profilers.profiler import Profile, Profiler, ValidationError, ValidationReport
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob

from feature_repo import asof_writing
from feature_repo.asof_engine import AsofJoinError
from feature_repo.asof_entities import EntityRowsError
from feature_repo.asof_jobs import AsofJobError, AsofRetrievalJob
from feature_repo.asof_store import AsofOfflineStore
from feature_repo.snapshots import SnapshotError
from tests.feature_repo.conftest import OURS, OpenStore
from tests.feature_repo.machine_rows import START, UTC_US, hour, rows_of
from tests.feature_repo.object_server import object_server

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "how-to" / "asof-store.md"

STORE: Mapping[str, tuple[str, str]] = {
    "get_historical_features": ("ours", "test_asof_parity.py::test_the_same_is_found_through_feast"),
    "pull_latest_from_table_or_query": (
        "ours",
        "test_asof_store.py::test_the_newest_rows_of_a_range_include_both_its_ends",
    ),
    "pull_all_from_table_or_query": (
        "ours",
        "test_asof_interface.py::test_bounds_of_a_range_are_instants_in_any_zone_and_utc_without_one",
    ),
    "offline_write_batch": (
        "ours",
        "test_asof_writing.py::test_pushed_rows_are_one_commit_whatever_the_order_of_their_columns",
    ),
    "write_logged_features": (
        "ours",
        "test_asof_writing.py::test_logs_of_served_features_are_kept_and_read_by_their_time",
    ),
    "validate_data_source": (
        "ours",
        "test_asof_interface.py::test_a_source_that_cannot_be_read_is_refused_when_it_is_validated",
    ),
    "get_table_column_names_and_types_from_data_source": (
        "ours",
        "test_asof_interface.py::test_features_that_are_not_declared_are_those_of_the_table",
    ),
    "compute_monitoring_metrics": (
        "ours",
        "test_asof_monitoring.py::test_statistics_are_those_of_feasts_own_calculator",
    ),
    "get_monitoring_max_timestamp": (
        "ours",
        "test_asof_monitoring.py::test_the_newest_instant_is_told_and_none_without_rows",
    ),
    "ensure_monitoring_tables": (
        "ours",
        "test_asof_monitoring.py::test_records_are_replaced_by_key_and_found_by_day_and_filter",
    ),
    "save_monitoring_metrics": (
        "ours",
        "test_asof_monitoring.py::test_records_are_replaced_by_key_and_found_by_day_and_filter",
    ),
    "query_monitoring_metrics": (
        "ours",
        "test_asof_monitoring.py::test_records_are_replaced_by_key_and_found_by_day_and_filter",
    ),
    "clear_monitoring_baseline": (
        "ours",
        "test_asof_monitoring.py::test_records_are_replaced_by_key_and_found_by_day_and_filter",
    ),
    "ensure_filter_by_created_timestamp_supported": (
        "feast's",
        "test_asof_parity.py::test_values_are_those_of_the_duckdb_store_that_feast_ships",
    ),
}
"""Who implements a method of Feast's `OfflineStore`, and a test of it."""

JOB: Mapping[str, tuple[str, str]] = {
    "to_arrow": ("feast's", "test_asof_store.py::test_a_pandas_frame_is_joined_as_an_arrow_table_is"),
    "to_df": ("feast's", "test_asof_store.py::test_a_pandas_frame_is_joined_as_an_arrow_table_is"),
    "to_feast_df": (
        "feast's",
        "test_asof_interface.py::test_a_result_is_given_in_feasts_own_frame_with_its_metadata",
    ),
    "to_tensor": ("feast's", "needs torch"),
    "to_ray_dataset": ("feast's", "needs ray"),
    "to_sql": ("refused", "test_asof_interface.py::test_a_result_is_no_sql_text"),
    "persist": (
        "ours",
        "test_asof_writing.py::test_a_saved_dataset_is_read_as_it_was_and_replaced_only_when_asked",
    ),
    "supports_remote_storage_export": (
        "ours",
        "test_asof_interface.py::test_results_are_staged_where_the_settings_say",
    ),
    "to_remote_storage": ("ours", "test_asof_interface.py::test_results_are_staged_where_the_settings_say"),
    "full_feature_names": (
        "ours",
        "test_asof_store.py::test_columns_have_the_names_that_the_field_mapping_gives_them",
    ),
    "on_demand_feature_views": (
        "ours",
        "test_asof_store.py::test_on_demand_features_are_computed_from_the_joined_and_the_requested",
    ),
    "metadata": (
        "ours",
        "test_asof_writing.py::test_a_saved_dataset_is_read_as_it_was_and_replaced_only_when_asked",
    ),
}
"""The same of `RetrievalJob`."""


def asked(store: FeatureStore, *labels: tuple[int, int], **settings: Any) -> AsofRetrievalJob:
    rows = rows_of(*((*label, 0.0) for label in labels)).select(["machine", "event_timestamp"])
    job: AsofRetrievalJob = store.get_historical_features(entity_df=rows, features=["view:value"], **settings)
    return job


def public(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if not name.startswith("_") and name.islower()} - {
        "supports_filter_by_created_timestamp"
    }


@pytest.mark.parametrize(
    ("interface", "kind", "listed"),
    [(OfflineStore, AsofOfflineStore, STORE), (RetrievalJob, AsofRetrievalJob, JOB)],
)
def test_every_method_of_feasts_interface_is_accounted_for(
    interface: type, kind: type, listed: Mapping[str, tuple[str, str]]
) -> None:
    assert set(listed) == public(interface)
    page = PAGE.read_text(encoding="utf-8")
    for name, (whose, test) in listed.items():
        is_ours = getattr(kind, name) is not getattr(interface, name)
        assert is_ours == (whose != "feast's"), name
        assert f"`{name}`" in page
        if not test.startswith("needs "):
            file, _, function = test.partition("::")
            names = {
                node.name
                for node in ast.walk(ast.parse((HERE / file).read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef)
            }
            assert function in names


def test_sql_text_as_entity_rows_is_refused_with_what_to_do(project: OpenStore) -> None:
    store = project({"view": rows_of((1, 0, 1.0))})
    with pytest.raises(EntityRowsError, match=r"does not run SQL text.*duckdb\.sql\(text\)\.to_arrow_table"):
        store.get_historical_features(entity_df="SELECT 1 AS machine", features=["view:value"])


def test_a_result_is_no_sql_text(project: OpenStore) -> None:
    job = asked(project({"view": rows_of((1, 0, 1.0))}), (1, 3))
    with pytest.raises(AsofJobError, match=r"several statements.*to_arrow\(\), to_df\(\)") as refused:
        job.to_sql()
    # What Feast takes for "this store cannot".
    assert isinstance(refused.value, NotImplementedError)


def test_a_result_is_given_in_feasts_own_frame_with_its_metadata(project: OpenStore) -> None:
    found = asked(project({"view": rows_of((1, 0, 1.0))}), (1, 3)).to_feast_df()
    assert found.data["value"].to_pylist() == [1.0]
    assert found.metadata["on_demand_feature_views"] == []


def test_results_are_staged_where_the_settings_say(
    project: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asof_writing, "STAGED_ROWS", 2)
    store = project(
        {"view": rows_of((1, 0, 1.0), (2, 0, 2.0))}, offline={**OURS, "staging_location": str(tmp_path / "s")}
    )
    job = asked(store, (1, 3), (2, 3), (1, 4), (2, 4), (3, 4))
    assert job.supports_remote_storage_export()
    paths = job.to_remote_storage()
    assert [Path(path).parent.parent for path in paths] == [tmp_path / "s"] * 3
    parts = [pq.ParquetFile(path).read() for path in paths]
    assert pa.concat_tables(parts).equals(job.to_arrow())
    assert not set(job.to_remote_storage()) & set(paths)
    (empty,) = asked(store).to_remote_storage()
    assert pq.ParquetFile(empty).schema_arrow.names == ["machine", "event_timestamp", "value"]


def test_results_are_staged_in_an_object_store(project: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store = project({"view": rows_of((1, 0, 1.0))}, offline={**OURS, "staging_location": "s3://lake/staged/"})
    with object_server() as (url, objects):
        for name, value in {
            "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        # What Feast's engines on other machines call, with the job that they materialize from.
        view = store.get_feature_view("view")
        job = AsofOfflineStore.pull_latest_from_table_or_query(
            store.config, view.batch_source, ["machine"], ["value"], "event_timestamp", "created_timestamp",
            hour(0), hour(1),
        )  # fmt: skip
        (path,) = job.to_remote_storage()
        assert re.fullmatch(r"s3://lake/staged/[0-9a-f]{32}/00000\.parquet", path)
        found = pq.read_table(pa.BufferReader(objects[path.removeprefix("s3:/")]))
    assert found["value"].to_pylist() == [1.0]


def test_without_a_place_results_are_not_staged(project: OpenStore) -> None:
    job = asked(project({"view": rows_of((1, 0, 1.0))}), (1, 3))
    assert not job.supports_remote_storage_export()
    with pytest.raises(AsofJobError, match="no `staging_location`"):
        job.to_remote_storage()


def test_a_query_that_takes_longer_than_it_may_is_stopped(project: OpenStore) -> None:
    generator = np.random.default_rng(1)
    n = 300_000
    at = pa.array(
        START + timedelta(1) + generator.integers(0, 10**9, n).astype("timedelta64[ms]").astype(object),
        UTC_US,
    )
    rows = pa.table(
        {
            "machine": generator.integers(0, 50, n),
            "event_timestamp": at,
            "created_timestamp": at,
            "value": generator.normal(size=n),
        }
    )
    store = project({"view": rows})
    labels = rows.select(["machine", "event_timestamp"])
    job = store.get_historical_features(entity_df=labels, features=["view:value"])
    with pytest.raises(AsofJoinError, match=r"was stopped after 0\.0\d* s, the `timeout` that was given"):
        job.to_arrow(timeout=0.01)
    assert job.to_arrow(timeout=300).num_rows == n


def test_a_source_that_cannot_be_read_is_refused_when_it_is_validated(
    project: OpenStore, tmp_path: Path
) -> None:
    store = project({"view": rows_of((1, 0, 1.0)).rename_columns({"event_timestamp": "t"})}, field_mapping={"t": "event_timestamp"})  # fmt: skip
    provider = store._get_provider()
    source = store.get_feature_view("view").batch_source
    provider.validate_data_source(store.config, source)
    # Feast's own answer for what is not a table.
    with pytest.raises(NotImplementedError):
        provider.validate_data_source(store.config, PushSource(name="pushed", batch_source=source))
    pq.write_table(rows_of((1, 0, 1.0)), tmp_path / "rows.parquet")
    for path, form, instant, said in (
        ("nothing", DeltaFormat(), "event_timestamp", "is no Delta table and holds no Parquet files"),
        ("rows.parquet", ParquetFormat(), "at", "has no column at. It has: machine, event_timestamp"),
    ):
        wrong = FileSource(name="w", path=str(tmp_path / path), file_format=form, timestamp_field=instant)
        with pytest.raises(SnapshotError, match=said):
            provider.validate_data_source(store.config, wrong)


def test_features_that_are_not_declared_are_those_of_the_table(project: OpenStore) -> None:
    rows = rows_of((1, 0, 1.0)).append_column("city", pa.array(["Rome"]))
    rows = rows.append_column("n", pa.array([1], pa.int32()))
    store = project({"view": rows})
    source = store.get_feature_view("view").batch_source
    machine = Entity(name="machine", join_keys=["machine"], value_type=ValueType.INT64)
    store.apply([machine, FeatureView(name="inferred", entities=[machine], source=source)])
    found = store.get_feature_view("inferred")
    assert {field.name: str(field.dtype) for field in found.features} == {
        "value": "Float64", "city": "String", "n": "Int32",
    }  # fmt: skip


@pytest.mark.parametrize(
    "as_given",
    [
        lambda at: at,
        lambda at: at.replace(tzinfo=None),
        lambda at: at.astimezone(timezone(timedelta(hours=-5, minutes=-30))),
    ],
    ids=["utc", "naive", "elsewhere"],
)
def test_bounds_of_a_range_are_instants_in_any_zone_and_utc_without_one(
    project: OpenStore, as_given: Callable[[datetime], datetime]
) -> None:
    store = project({"view": rows_of((1, 0, 0.0), (1, 1, 1.0), (1, 2, 2.0), (1, 3, 3.0))})
    arguments = (
        store.config, store.get_feature_view("view").batch_source, ["machine"], ["value"], "event_timestamp",
        "created_timestamp", as_given(hour(1)), as_given(hour(2)),
    )  # fmt: skip
    every = AsofOfflineStore.pull_all_from_table_or_query(*arguments).to_arrow()
    assert sorted(every["value"].to_pylist()) == [1.0, 2.0]
    newest = AsofOfflineStore.pull_latest_from_table_or_query(*arguments).to_arrow()
    assert newest["value"].to_pylist() == [2.0]
    found = store.get_historical_features(
        features=["view:value"], start_date=as_given(hour(1)), end_date=as_given(hour(2))
    ).to_df()
    assert (found["value"].tolist(), found["event_timestamp"].tolist()) == ([2.0], [hour(2)])


def test_a_view_with_mapped_fields_is_joined_twice_by_mapped_keys_on_chosen_features(
    project: OpenStore,
) -> None:
    rows = rows_of((1, 0, 1.0), (2, 0, 2.0)).rename_columns({"machine": "m", "value": "v"})
    rows = rows.append_column("w", pa.array([10.0, 20.0]))
    mapping = {"m": "machine", "v": "value", "w": "weight"}
    store = project({"view": rows}, field_mapping=mapping, features=["value", "weight"])
    view = store.get_feature_view("view")
    routes = [
        view[["value"]].with_name("start").with_join_key_map({"machine": "origin"}),
        view[["weight"]].with_name("end").with_join_key_map({"machine": "goal"}),
    ]
    service = FeatureService(name="routes", features=routes)
    store.apply([service])
    labels = pa.table({"origin": [1, 2], "goal": [2, 1], "event_timestamp": pa.array([hour(1)] * 2, UTC_US)})
    found = store.get_historical_features(
        entity_df=labels, features=service, full_feature_names=True
    ).to_arrow()
    assert found.column_names == ["origin", "goal", "event_timestamp", "start__value", "end__weight"]
    assert found["start__value"].to_pylist() == [1.0, 2.0]
    assert found["end__weight"].to_pylist() == [20.0, 10.0]


@dataclass
class _Report(ValidationReport):
    faults: list[ValidationError]

    @property
    def is_success(self) -> bool:
        return not self.faults

    @property
    def errors(self) -> list[ValidationError]:
        return self.faults


@dataclass
class _Range(Profile):
    """Every value lies within what the reference had; Feast's own profiler wants an old Great Expectations."""

    low: float
    high: float

    def validate(self, dataset: pd.DataFrame) -> ValidationReport:
        column = next(name for name in dataset.columns if name.endswith("value"))
        outside = int((~dataset[column].between(self.low, self.high)).sum())
        return _Report([ValidationError("range", column, unexpected_count=outside)] if outside else [])

    def to_proto(self) -> None:
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto: Any) -> "_Range":
        raise NotImplementedError


class _RangeProfiler(Profiler):
    def analyze_dataset(self, dataset: pd.DataFrame) -> Profile:
        return _Range(dataset["view__value"].min(), dataset["view__value"].max())

    def to_proto(self) -> None:
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto: Any) -> "_RangeProfiler":
        raise NotImplementedError


@pytest.mark.filterwarnings(
    "ignore:Saving dataset is an experimental:RuntimeWarning",
    "ignore:Retrieving datasets is an experimental:RuntimeWarning",
    "ignore:Dataset validation is an experimental:RuntimeWarning",
    "ignore:Logging features is an experimental:RuntimeWarning",
    "ignore:Logged features validation is an experimental:RuntimeWarning",
)
def test_results_and_logs_are_validated_against_a_saved_dataset(project: OpenStore, tmp_path: Path) -> None:
    store = project({"view": rows_of((1, 0, 1.0), (2, 0, 2.0), (3, 0, 9.0))})
    store.create_saved_dataset(
        asked(store, (1, 3), (2, 3), full_feature_names=True),
        "set",
        SavedDatasetFileStorage(str(tmp_path / "set"), DeltaFormat()),
    )
    reference = store.get_saved_dataset("set").as_reference("range", _RangeProfiler())
    within = asked(store, (2, 4), full_feature_names=True).to_df(validation_reference=reference)
    assert within["view__value"].tolist() == [2.0]
    with pytest.raises(ValidationFailed) as refused:
        asked(store, (3, 4), full_feature_names=True).to_arrow(validation_reference=reference)
    (fault,) = refused.value.report.errors
    assert (fault.column_name, fault.unexpected_count) == ("view__value", 1)

    destination = FileLoggingDestination(path=str(tmp_path / "logs"))
    service = FeatureService(
        name="served", features=[store.get_feature_view("view")], logging_config=LoggingConfig(destination)
    )
    store.apply([service])
    schema = FeatureServiceLoggingSource(service, store.project).get_schema(store.registry)
    at = hour(5).replace(tzinfo=None)
    row = {
        "machine": 3, "view__value": 9.0, "view__value__timestamp": at, "view__value__status": 1,
        "__log_timestamp": at, "__log_date": at.date(), "__request_id": "r0",
    }  # fmt: skip
    # Instants without a zone are UTC in logs too.
    naive = pa.schema(
        [f.with_type(pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in schema]
    )
    store.write_logged_features(pa.Table.from_pylist([row], naive), service)
    found = store.validate_logged_features(service, hour(5), hour(6), reference, throw_exception=False)
    assert [fault.unexpected_count for fault in found.report.errors] == [1]
    store.validate_logged_features(service, hour(6), hour(7), reference, throw_exception=False, cache_profile=False)  # fmt: skip
