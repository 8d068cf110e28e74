"""Through Feast: nothing from a label's future reaches it, no label is lost, and faults are named."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureService, FeatureStore, Field, RequestSource
from feast.on_demand_feature_view import OnDemandFeatureView, PandasTransformation
from feast.types import Float64

from feature_repo.asof_engine import AsofJoinError
from feature_repo.asof_entities import EntityRowsError
from feature_repo.asof_store import AsofOfflineStore, AsofStoreError
from feature_repo.snapshots import SnapshotError, pinned
from tests.feature_repo.conftest import OURS, OpenStore, open_project

START = datetime(2024, 1, 1, tzinfo=UTC)
UTC_US = pa.timestamp("us", tz="UTC")

Row = tuple[int, int, int, float]
"""Machine, hour of the event, hour of the making, value."""


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def rows_of(rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        {
            "machine": pa.array([row[0] for row in rows], pa.int64()),
            "event_timestamp": pa.array([hour(row[1]) for row in rows], UTC_US),
            "created_timestamp": pa.array([hour(row[2]) for row in rows], UTC_US),
            "value": pa.array([row[3] for row in rows], pa.float64()),
        }
    )


def labels_of(labels: Sequence[tuple[int | None, int]]) -> pa.Table:
    return pa.table(
        {
            "row_id": pa.array([f"r{number}" for number in range(len(labels))], pa.string()),
            "machine": pa.array([machine for machine, _ in labels], pa.int64()),
            "event_timestamp": pa.array([hour(at) for _, at in labels], UTC_US),
        }
    )


def joined(store: Any, labels: Any, *references: str, **settings: Any) -> pa.Table:
    return store.get_historical_features(
        entity_df=labels, features=list(references or ("view:value",)), **settings
    ).to_arrow()


def random_rows(generator: np.random.Generator, n: int, *, keys: int = 1) -> pa.Table:
    """Few entities and hours, so that ties and duplicates abound; making within a day."""
    at = generator.integers(0, 200, n)
    tables = {f"key{k}": generator.integers(0, 4, n) for k in range(1, keys)}
    made = at + generator.permutation(n) / n * 24
    return pa.table(
        {
            "machine": generator.integers(0, 6, n),
            **tables,
            "event_timestamp": pa.array([hour(int(h)) for h in at], UTC_US),
            # Makings differ, so that ties have one right answer.
            "created_timestamp": pa.array([START + timedelta(hours=float(h)) for h in made], UTC_US),
            "value": pa.array(
                np.where(generator.random(n) < 0.1, np.nan, generator.normal(size=n)), from_pandas=True
            ),
            "value_2": generator.normal(size=n),
        }
    )


def random_labels(generator: np.random.Generator, n: int, *, keys: int = 1) -> pa.Table:
    return pa.table(
        {
            "row_id": [f"r{number}" for number in range(n)],
            "machine": generator.integers(0, 8, n),
            **{f"key{k}": generator.integers(0, 5, n) for k in range(1, keys)},
            "event_timestamp": pa.array([hour(int(h)) for h in generator.integers(-5, 230, n)], UTC_US),
        }
    )


def test_a_backfilled_row_does_not_leak_and_the_row_before_it_is_found(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0), (1, 5, 20, 2.0)])})
    assert joined(store, labels_of([(1, 6), (1, 20)]))["value"].to_pylist() == [1.0, 2.0]


def test_a_value_lives_until_the_ttl_has_passed_to_the_microsecond(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])}, ttl=timedelta(hours=3))
    edge = hour(3)
    labels = pa.table(
        {
            "machine": [1, 1],
            "event_timestamp": pa.array([edge, edge + timedelta(microseconds=1)], UTC_US),
        }
    )
    assert joined(store, labels)["value"].to_pylist() == [1.0, None]


def test_of_a_tie_the_row_made_last_is_taken(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 2, 2.0), (1, 0, 3, 3.0), (1, 0, 1, 1.0), (2, 0, 1, 7.0)])})
    labels = labels_of([(1, 9), (1, 2), (2, 9)])
    assert joined(store, labels)["value"].to_pylist() == [3.0, 2.0, 7.0]


def test_rows_without_creation_time_are_joined_by_their_instant(project: OpenStore) -> None:
    rows = rows_of([(1, 0, 0, 1.0), (1, 4, 0, 4.0)]).drop_columns(["created_timestamp"])
    store = project({"view": rows}, created=False)
    assert joined(store, labels_of([(1, 3), (1, 4)]))["value"].to_pylist() == [1.0, 4.0]


def test_twenty_thousand_labels_keep_their_order_and_their_number(project: OpenStore) -> None:
    generator = np.random.default_rng(11)
    store = project({"view": random_rows(generator, 2_000)})
    labels = random_labels(generator, 20_000)
    found = joined(store, labels)
    assert found["row_id"].equals(labels["row_id"])
    assert found["event_timestamp"].equals(labels["event_timestamp"])


def test_equal_labels_are_each_answered(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    assert joined(store, labels_of([(1, 1), (1, 1), (1, 1)]))["value"].to_pylist() == [1.0] * 3


def test_a_pandas_frame_is_joined_as_an_arrow_table_is(project: OpenStore) -> None:
    generator = np.random.default_rng(3)
    store = project({"view": random_rows(generator, 200)})
    labels = random_labels(generator, 50)
    arrow = joined(store, labels)["value"].to_pylist()
    frame = store.get_historical_features(entity_df=labels.to_pandas(), features=["view:value"]).to_df()
    assert [None if math.isnan(value) else value for value in frame["value"]] == arrow


def test_a_pinned_version_is_read_whatever_was_written_since(project: OpenStore) -> None:
    from deltalake import write_deltalake

    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    path = store.get_feature_view("view").batch_source.path  # type: ignore[union-attr]
    write_deltalake(path, rows_of([(1, 2, 2, 2.0)]), mode="append")
    labels = labels_of([(1, 3)])
    with pinned({path: 0}):
        assert joined(store, labels)["value"].to_pylist() == [1.0]
    assert joined(store, labels)["value"].to_pylist() == [2.0]


def test_views_without_rows_give_nulls_of_their_type(project: OpenStore) -> None:
    store = project({"view": rows_of([])})
    found = joined(store, labels_of([(1, 1), (2, 2)]))
    assert found["value"].to_pylist() == [None, None]
    assert found.schema.field("value").type == pa.float64()


def test_no_labels_give_no_rows_and_all_columns(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    found = joined(store, labels_of([]))
    assert (found.num_rows, found.column_names) == (0, ["row_id", "machine", "event_timestamp", "value"])


def test_absent_join_keys_are_named(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    with pytest.raises(
        AsofJoinError, match=r"lack the join keys machine. They have: row_id, event_timestamp"
    ):
        joined(store, labels_of([(1, 1)]).drop_columns(["machine"]))


def test_a_label_column_named_as_a_feature_is_refused(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    labels = labels_of([(1, 1)]).append_column("value", pa.array([5.0]))
    with pytest.raises(AsofJoinError, match=r"already have a column 'value'.*full_feature_names=True"):
        joined(store, labels)


def test_labels_without_an_instant_are_refused(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    with pytest.raises(EntityRowsError, match="need a column `event_timestamp`"):
        joined(store, pa.table({"machine": [1]}))


def test_a_source_that_is_no_delta_table_is_named(project: OpenStore) -> None:
    import shutil

    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    shutil.rmtree(store.get_feature_view("view").batch_source.path)  # type: ignore[union-attr]
    with pytest.raises(
        SnapshotError, match=r"is no Delta table and holds no Parquet files. Materialize the feature view"
    ):
        joined(store, labels_of([(1, 1)]))


def test_a_partition_is_materialized_from_its_newest_rows(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0), (1, 4, 4, 4.0), (1, 9, 9, 9.0), (2, 1, 1, 5.0)])})
    store.materialize(start_date=hour(0), end_date=hour(5), feature_views=["view"])
    served = store.get_online_features(["view:value"], [{"machine": 1}, {"machine": 2}]).to_dict()
    assert served["value"] == [4.0, 5.0]


def test_equal_instants_are_decided_alike_whatever_the_order_of_the_rows(project: OpenStore) -> None:
    tied = [(1, 0, 2, value) for value in (5.0, 3.0, 9.0)] + [(1, 0, 1, 1.0)]
    for rows in (tied, tied[::-1]):
        assert joined(project({"view": rows_of(rows)}), labels_of([(1, 9)]))["value"].to_pylist() == [3.0]


def test_many_versions_of_a_row_are_settled_in_the_engine(project: OpenStore) -> None:
    rows = [(machine, 0, made, float(made)) for machine in range(3) for made in range(40)]
    found = joined(project({"view": rows_of(rows)}), labels_of([(0, 39), (1, 10), (2, 0)]))
    assert found["value"].to_pylist() == [39.0, 10.0, 0.0]


def in_zone(zone: str | None, labels: pa.Table) -> pa.Table:
    """Give the labels' instants another zone, or the same wall clock without one."""
    times = labels["event_timestamp"].cast(pa.timestamp("us", zone))
    return labels.set_column(2, "event_timestamp", times)


@pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Kathmandu"])
def test_labels_are_instants_in_any_zone_and_utc_without_one(project: OpenStore, zone: str | None) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0), (1, 5, 5, 5.0)])})
    labels = in_zone(zone, labels_of([(1, 4), (1, 5)]))
    found = joined(store, labels)
    assert found["value"].to_pylist() == [1.0, 5.0]
    assert found.schema.field("event_timestamp").type == pa.timestamp("us", zone)
    frame = store.get_historical_features(entity_df=labels.to_pandas(), features=["view:value"]).to_df()
    assert frame["value"].tolist() == [1.0, 5.0]


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("us", "Asia/Tokyo")])
def test_rows_are_instants_in_any_unit_and_zone(tmp_path: Path, kind: pa.DataType) -> None:
    rows = rows_of([(1, 0, 0, 1.0), (1, 5, 6, 5.0)])
    for number, name in ((1, "event_timestamp"), (2, "created_timestamp")):
        rows = rows.set_column(number, name, rows[name].cast(kind))
    store = open_project(tmp_path, {"view": rows}, as_parquet=True)
    assert joined(store, labels_of([(1, 5), (1, 6)]))["value"].to_pylist() == [1.0, 5.0]


def test_instants_are_rounded_to_microseconds_whatever_the_other_labels(tmp_path: Path) -> None:
    start = int(START.timestamp()) * 1_000_000_000
    at = pa.array([start + 400, start + 900], pa.timestamp("ns", "UTC"))
    rows = pa.table({"machine": [1, 2], "event_timestamp": at, "created_timestamp": at, "value": [1.0, 2.0]})
    store = open_project(tmp_path, {"view": rows}, as_parquet=True)
    assert joined(store, labels_of([(1, 0), (2, 0)]))["value"].to_pylist() == [1.0, None]
    assert joined(store, labels_of([(1, 0), (2, 0), (2, 9)]))["value"].to_pylist() == [1.0, None, 2.0]


def test_instants_may_be_texts(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0), (1, 5, 5, 5.0)])})
    frame = pd.DataFrame(
        {"machine": [1, 1], "event_timestamp": ["2024-01-01T06:00:00+02:00", "2024-01-01 05:00:00"]}
    )
    assert joined(store, frame)["value"].to_pylist() == [1.0, 5.0]
    frame["event_timestamp"] = "yesterday"
    with pytest.raises(AsofJoinError, match="'event_timestamp' of the entity rows does not hold instants"):
        joined(store, frame)


def test_keys_are_joined_by_the_columns_that_a_projection_maps_them_to(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0), (2, 0, 0, 2.0)])})
    view = store.get_feature_view("view")
    routes = [
        view.with_name("start").with_join_key_map({"machine": "from_machine"}),
        view.with_name("end").with_join_key_map({"machine": "to_machine"}),
    ]
    service = FeatureService(name="routes", features=routes)
    store.apply([service])
    labels = labels_of([(0, 1)]).drop_columns(["machine"])
    labels = labels.append_column("from_machine", pa.array([1])).append_column("to_machine", pa.array([2]))
    found = store.get_historical_features(
        entity_df=labels, features=service, full_feature_names=True
    ).to_arrow()
    assert (found["start__value"].to_pylist(), found["end__value"].to_pylist()) == ([1.0], [2.0])


def test_columns_have_the_names_that_the_field_mapping_gives_them(project: OpenStore) -> None:
    rows = rows_of([(1, 0, 0, 1.0), (1, 5, 9, 5.0)])
    rows = rows.rename_columns(
        {"value": "v", "machine": "m", "event_timestamp": "t", "created_timestamp": "c"}
    )
    mapping = {"v": "value", "m": "machine", "t": "event_timestamp", "c": "created_timestamp"}
    store = project({"view": rows}, field_mapping=mapping, features=["value"])
    assert joined(store, labels_of([(1, 6), (1, 9)]))["value"].to_pylist() == [1.0, 5.0]
    named = joined(store, labels_of([(1, 6)]), full_feature_names=True)
    assert named.column_names[-1] == "view__value"


def test_a_view_without_entity_has_one_value_at_each_instant(project: OpenStore) -> None:
    rows = rows_of([(1, 0, 0, 1.0), (1, 5, 7, 5.0)]).drop_columns(["machine"])
    store = project({"view": rows}, keys={})
    assert joined(store, labels_of([(1, 4), (9, 6), (None, 8)]))["value"].to_pylist() == [1.0, 1.0, 5.0]
    store.materialize(start_date=hour(0), end_date=hour(9), feature_views=["view"])
    assert store.get_online_features(["view:value"], [{"__dummy_id": ""}]).to_dict()["value"] == [5.0]


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_on_demand_features_are_computed_from_the_joined_and_the_requested(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.5)])})

    def scaled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"scaled": inputs["value"] * inputs["factor"]})

    store.apply(
        [
            OnDemandFeatureView(
                name="computed",
                sources=[
                    store.get_feature_view("view"),
                    RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)]),
                ],
                schema=[Field(name="scaled", dtype=Float64)],
                feature_transformation=PandasTransformation(scaled, "scaled"),
            )
        ]
    )
    labels = labels_of([(1, 1)]).append_column("factor", pa.array([2.0]))
    for rows in (labels, labels.to_pandas()):
        assert joined(store, rows, "view:value", "computed:scaled")["scaled"].to_pylist() == [3.0]
    # And online, from what was loaded.
    store.materialize(start_date=hour(0), end_date=hour(9), feature_views=["view"])
    asked = {"machine": 1, "factor": 2.0}
    assert store.get_online_features(["computed:scaled"], [asked]).to_dict()["scaled"] == [3.0]


def snapshot(store: FeatureStore, start: int | None, end: int) -> pd.DataFrame:
    """Retrieve without entity rows."""
    begin = None if start is None else hour(start)
    job = store.get_historical_features(
        features=["view:value", "other:value_2"], start_date=begin, end_date=hour(end)
    )
    return job.to_df()


def test_without_entity_rows_every_entity_of_the_range_is_joined_as_of_its_end(project: OpenStore) -> None:
    other = rows_of([(1, 1, 1, 7.0), (4, 9, 9, 8.0)]).rename_columns({"value": "value_2"})
    store = project(
        {"view": rows_of([(1, 2, 2, 1.0), (2, 0, 0, 2.0), (3, 4, 9, 3.0), (3, 3, 3, 4.0)]), "other": other}
    )
    found = snapshot(store, 1, 5)
    # Machine 2 has no row in the range, 4 none by its end, and 3's last was made after it.
    assert found["machine"].tolist() == [1, 3]
    assert found["event_timestamp"].tolist() == [hour(5)] * 2
    assert found["value"].tolist() == [1.0, 4.0]
    assert found["value_2"].fillna(-1).tolist() == [7.0, -1.0]
    assert snapshot(store, None, 5)["machine"].tolist() == [1, 2, 3]
    with pytest.raises(AsofStoreError, match=r"start_date .* lies after end_date"):
        snapshot(store, 6, 5)


@pytest.mark.parametrize("ttl", [None, timedelta(hours=30)])
def test_without_entity_rows_the_answer_is_that_of_the_dask_store_that_feast_ships(
    project: OpenStore, ttl: timedelta | None
) -> None:
    rows = random_rows(np.random.default_rng(8), 400)
    ours = project({"view": rows}, ttl=ttl, offline={**OURS, "filter_by_created_timestamp": False})
    theirs = project({"view": rows}, ttl=ttl, offline={"type": "dask"}, as_parquet=True)
    answers = []
    for store in (ours, theirs):
        found = store.get_historical_features(
            features=["view:value_2"], start_date=hour(0), end_date=hour(150)
        ).to_df()
        answers.append(found.set_index("machine")["value_2"].sort_index())
    pd.testing.assert_series_equal(*answers, check_exact=True)
    assert len(answers[0]) > 3


def test_keys_of_another_kind_are_refused_by_name(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    labels = labels_of([(1, 1)]).set_column(1, "machine", pa.array(["first"]))
    with pytest.raises(AsofJoinError, match=r"view 'view' cannot be joined on machine.*the types"):
        joined(store, labels)


@pytest.mark.parametrize(
    "kind", [pa.int32(), pa.float64(), pa.dictionary(pa.int8(), pa.int64()), pa.string()]
)
def test_keys_may_be_of_a_type_that_holds_the_same_values(project: OpenStore, kind: pa.DataType) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    machines = pa.array([1, None])
    typed = machines.dictionary_encode() if pa.types.is_dictionary(kind) else machines.cast(kind)
    labels = labels_of([(1, 1), (1, 1)]).set_column(1, "machine", typed)
    assert joined(store, labels)["value"].to_pylist() == [1.0, None]
    nothing = labels.set_column(1, "machine", pa.nulls(2))
    assert joined(store, nothing)["value"].to_pylist() == [None, None]


def test_a_column_that_the_rows_lack_is_named(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])}, features=["value", "temperature"])
    with pytest.raises(SnapshotError, match=r"has no column temperature. It has: machine, event_timestamp"):
        joined(store, labels_of([(1, 1)]), "view:temperature")


def test_settings_that_the_engine_does_not_know_are_named(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])}, offline={**OURS, "memory_limit": "much"})
    with pytest.raises(AsofJoinError, match=r"settings are not the engine's.*feature_store.yaml"):
        joined(store, labels_of([(1, 1)]))


def test_memory_that_is_not_enough_is_said_to_be_so(project: OpenStore, tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    tight = {**OURS, "memory_limit": "4MB", "max_spill": "0KB", "spill_directory": str(tmp_path / "spill")}
    store = project({"view": random_rows(generator, 200_000)}, offline=tight)
    with pytest.raises(AsofJoinError, match=r"4MB of memory are not enough.*Raise `memory_limit`"):
        joined(store, random_labels(generator, 200_000))


def test_the_newest_rows_of_a_range_include_both_its_ends(project: OpenStore) -> None:
    store = project(
        {"view": rows_of([(1, 1, 1, 1.0), (1, 5, 5, 5.0), (2, 0, 0, 2.0), (3, 1, 2, 3.0), (3, 1, 3, 4.0)])}
    )
    source = store.get_feature_view("view").batch_source
    arguments = (store.config, source, ["machine"], ["value"], "event_timestamp", "created_timestamp")
    newest = AsofOfflineStore.pull_latest_from_table_or_query(*arguments, hour(1), hour(5)).to_arrow()
    assert sorted(zip(newest["machine"].to_pylist(), newest["value"].to_pylist(), strict=True)) == [
        (1, 5.0),
        (3, 4.0),
    ]
    every = AsofOfflineStore.pull_all_from_table_or_query(*arguments, hour(1), hour(5)).to_arrow()
    assert sorted(every["value"].to_pylist()) == [1.0, 3.0, 4.0, 5.0]
    assert every.column_names == ["machine", "value", "event_timestamp", "created_timestamp"]
    unbounded = AsofOfflineStore.pull_all_from_table_or_query(*arguments).to_arrow()
    assert unbounded.num_rows == 5
