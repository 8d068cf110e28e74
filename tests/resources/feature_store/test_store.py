"""Views are registered as declared, joined as of each row's instant, and served with their age."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.feature_store.changed_future import Counterfactual
from resources.feature_store.store import FeatureStore, FeatureStoreError
from resources.lake import damage as lake_damage
from resources.lake.lake import Lake, LakeDamageError
from tests.fixtures.tiny import DECLARATION, START, day_window, lake_and_engine, tiny_pipeline

UTC_US = pa.timestamp("us", tz="UTC")


def at(day: int, hours: float = 0) -> datetime:
    return START + timedelta(days=day, hours=hours)


def view_rows(values: Mapping[str, float | None], instant: datetime) -> pa.Table:
    return pa.table(
        {
            "machine": pa.array(list(values), pa.string()),
            "event_timestamp": pa.array([instant] * len(values), UTC_US),
            "mean_heat": pa.array(list(values.values()), pa.float64()),
            "readings": pa.array([80] * len(values), pa.int64()),
        }
    )


def label_rows(labels: list[tuple[str, datetime]]) -> pa.Table:
    return pa.table(
        {
            "row_id": [f"r{number}" for number in range(len(labels))],
            "machine": [machine for machine, _ in labels],
            "event_timestamp": pa.array([instant for _, instant in labels], UTC_US),
            "request__load": [0.5] * len(labels),
            "request__heat": [1.5] * len(labels),
        }
    )


def with_views(pipeline: Pipeline, views: Mapping[str, Mapping[str, str]]) -> Pipeline:
    return replace(pipeline, spec=PipelineSpec.model_validate({**DECLARATION, "features": views}))


def write_day(lake: Lake, day: int, values: Mapping[str, float | None], view: str = "recent") -> None:
    """Write a partition of a view, known at noon of its day."""
    rows = view_rows(values, at(day, 12))
    lake.write(f"tiny/features/{view}", rows, partition=day_window(day).key)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_and_engine(tmp_path)[0]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return tiny_pipeline(tmp_path)


@pytest.fixture
def feature_store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(
        registry_url=f"sqlite:///{tmp_path / 'feast' / 'registry.db'}",
        online_path=str(tmp_path / "feast" / "online.db"),
        threads=1,
    )


def registered(feature_store: FeatureStore) -> tuple[list[str], list[str], list[str]]:
    """Name the views, sources and entities that are in the registry."""
    store = feature_store._store("tiny")
    store.refresh_registry()
    return (
        sorted(view.name for view in store.list_feature_views()),
        sorted(source.name for source in store.list_data_sources()),
        sorted(entity.name for entity in store.list_entities() if entity.name != "__dummy"),
    )


RECENT = {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "3d"}


def test_views_with_rows_are_registered_and_others_wait(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    both = with_views(pipeline, {"recent": RECENT, "other": RECENT})
    write_day(lake, 0, {"m0": 1.0})
    feature_store.apply(both, lake)
    assert registered(feature_store) == (["recent"], ["recent_rows"], ["machine"])


def test_a_view_that_is_no_longer_declared_leaves_the_registry_with_its_source(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    for view in ("recent", "other"):
        write_day(lake, 0, {"m0": 1.0}, view)
    feature_store.apply(with_views(pipeline, {"recent": RECENT, "other": RECENT}), lake)
    assert registered(feature_store)[0] == ["other", "recent"]
    feature_store.apply(pipeline, lake)
    assert registered(feature_store) == (["recent"], ["recent_rows"], ["machine"])
    feature_store.apply(with_views(pipeline, {}), lake)
    assert registered(feature_store) == ([], [], [])


def test_nothing_is_written_when_the_registry_holds_the_same(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    feature_store.apply(pipeline, lake)
    store = feature_store._store("tiny")
    before = store.get_feature_view("recent").last_updated_timestamp
    feature_store.apply(pipeline, lake)
    store.refresh_registry()
    assert store.get_feature_view("recent").last_updated_timestamp == before


def test_features_come_in_the_order_of_the_rows_and_of_their_names(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0, "m1": 2.0})
    write_day(lake, 1, {"m0": 3.0, "m1": 4.0})
    labels = label_rows([("m1", at(1, 13)), ("m0", at(0, 13)), ("m9", at(0, 13)), ("m1", at(0, 13))])
    found, versions = feature_store.features_for(pipeline, labels, lake)
    assert found.column_names == [
        "row_id", "event_timestamp", "recent__mean_heat", "recent__readings", "request__heat", "request__load",
    ]  # fmt: skip
    assert found["row_id"].to_pylist() == ["r0", "r1", "r2", "r3"]
    assert found["recent__mean_heat"].to_pylist() == [4.0, 1.0, None, 2.0]
    assert versions == {"tiny/features/recent": 1}


def test_values_older_than_the_ttl_are_null_and_their_rows_stay(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    found, _ = feature_store.features_for(pipeline, label_rows([("m0", at(3, 12)), ("m0", at(3, 13))]), lake)
    assert found["recent__mean_heat"].to_pylist() == [1.0, None]


def test_pipelines_without_views_have_their_request_features(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    labels = label_rows([("m0", at(0))])
    found, versions = feature_store.features_for(with_views(pipeline, {}), labels, lake)
    assert found.column_names == ["row_id", "event_timestamp", "request__heat", "request__load"]
    assert versions == {}


def test_a_view_whose_first_partition_is_empty_gives_nulls(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {})
    found, _ = feature_store.features_for(pipeline, label_rows([("m0", at(1))]), lake)
    assert found["recent__mean_heat"].to_pylist() == [None]


def test_a_column_that_a_view_gains_later_is_null_before(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    old, new = view_rows({"m0": 1.0}, at(0, 12)), view_rows({"m0": 2.0}, at(1, 12))
    lake.write("tiny/features/recent", old, partition=day_window(0).key)
    labels = label_rows([("m0", at(0, 13)), ("m0", at(1, 13))])
    feature_store.features_for(pipeline, labels, lake)
    new = new.append_column("peak", pa.array([9.0]))
    lake.write("tiny/features/recent", new, partition=day_window(1).key)
    found, _ = feature_store.features_for(pipeline, labels, lake)
    assert found["recent__peak"].to_pylist() == [None, 9.0]


def test_views_without_rows_are_named_with_what_to_run(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    with pytest.raises(
        FeatureStoreError, match=r"without rows in the lake: recent. Materialize tiny/features/recent first"
    ):
        feature_store.features_for(pipeline, label_rows([("m0", at(0))]), lake)


def load(feature_store: FeatureStore, pipeline: Pipeline, lake: Lake, day: int) -> int:
    feature_store.apply(pipeline, lake)
    return feature_store.load_online(pipeline, "recent", day_window(day), lake)


def test_a_partition_is_served_with_its_age(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0, "m1": None})
    assert load(feature_store, pipeline, lake, 0) == 2
    known, empty = feature_store.read_online(
        pipeline, "recent", [{"machine": "m0"}, {"machine": "m1"}], at(1)
    )
    assert known.values == {"mean_heat": 1.0, "readings": 80}
    assert (known.event_timestamp, known.age, known.is_expired) == (at(0, 12), timedelta(hours=12), False)
    assert known.status == {"mean_heat": "present", "readings": "present"}
    assert empty.values == {"mean_heat": None, "readings": 80}
    assert empty.status == {"mean_heat": "null", "readings": "present"}


def test_an_older_partition_loaded_later_never_overwrites_a_newer_one(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    for day in (0, 1):
        write_day(lake, day, {"m0": float(day)})
    write_day(lake, 0, {"m0": 0.0, "m5": 5.0})
    load(feature_store, pipeline, lake, 1)
    load(feature_store, pipeline, lake, 0)
    served = feature_store.read_online(pipeline, "recent", [{"machine": "m0"}, {"machine": "m5"}], at(2))
    assert [found.values["mean_heat"] for found in served] == [1.0, 5.0]


def test_a_partition_that_is_corrected_replaces_what_is_served(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    for value in (1.0, 2.0):
        write_day(lake, 0, {"m0": value})
        load(feature_store, pipeline, lake, 0)
    (served,) = feature_store.read_online(pipeline, "recent", [{"machine": "m0"}], at(1))
    assert served.values["mean_heat"] == 2.0


def test_values_older_than_the_ttl_are_withheld_with_their_age(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    load(feature_store, pipeline, lake, 0)
    keys = [{"machine": "m0"}]
    (fresh,) = feature_store.read_online(pipeline, "recent", keys, at(3, 12))
    assert (fresh.values["mean_heat"], fresh.is_expired) == (1.0, False)
    (stale,) = feature_store.read_online(pipeline, "recent", keys, at(3, 13))
    assert stale.values == {"mean_heat": None, "readings": None}
    assert stale.status == {"mean_heat": "expired", "readings": "expired"}
    assert (stale.is_expired, stale.event_timestamp, stale.age) == (True, at(0, 12), timedelta(hours=73))


def test_an_unknown_entity_has_no_instant(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    load(feature_store, pipeline, lake, 0)
    (unknown,) = feature_store.read_online(pipeline, "recent", [{"machine": "m9"}], at(1))
    assert unknown.values == {"mean_heat": None, "readings": None}
    assert unknown.status == {"mean_heat": "not_found", "readings": "not_found"}
    assert (unknown.event_timestamp, unknown.age, unknown.is_expired) == (None, None, False)


def test_a_partition_can_be_loaded_any_number_of_times(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore, tmp_path: Path
) -> None:
    import sqlite3

    def stored() -> list[tuple[object, ...]]:
        connection = sqlite3.connect(tmp_path / "feast" / "online.db")
        found = connection.execute("SELECT * FROM tiny_recent ORDER BY 1, 2").fetchall()
        connection.close()
        return found

    for day in (0, 1):
        write_day(lake, day, {"m0": float(day), f"only{day}": 1.0})
        load(feature_store, pipeline, lake, day)
    before = stored()
    assert len(before) == 6
    for day in (0, 1, 1, 0):
        write_day(lake, day, {"m0": float(day), f"only{day}": 1.0})
        load(feature_store, pipeline, lake, day)
    assert stored() == before


def test_a_range_that_was_loaded_is_told_to_feast_once(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    for _ in range(2):
        load(feature_store, pipeline, lake, 0)
    (told,) = feature_store._store("tiny").get_feature_view("recent").materialization_intervals
    assert told == (at(0), at(1) - timedelta(microseconds=1))


def test_an_empty_partition_loads_nothing(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    assert load(feature_store, pipeline, lake, 5) == 0


def test_online_values_of_an_undeclared_view_are_refused(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    feature_store.apply(pipeline, lake)
    with pytest.raises(FeatureStoreError, match=r"'recnet' is not registered. Registered views: recent"):
        feature_store.read_online(pipeline, "recnet", [{"machine": "m0"}], at(1))


def test_keys_that_are_not_the_views_are_refused(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    feature_store.apply(pipeline, lake)
    with pytest.raises(FeatureStoreError, match="'recent' is read by machine, not by engine"):
        feature_store.read_online(pipeline, "recent", [{"engine": "m0"}], at(1))


def test_one_view_is_joined_and_judged_without_opening_the_others(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore
) -> None:
    both = with_views(pipeline, {"recent": RECENT, "other": RECENT})
    for view in ("recent", "other"):
        write_day(lake, 0, {"m0": 1.0}, view)
    feature_store.apply(both, lake)
    for log in (lake.table_path("tiny/features/other") / "_delta_log").iterdir():
        log.write_text("not a log")
    rows = label_rows([("m0", at(0, 13))]).select(["machine", "event_timestamp"])
    found, snapshot = feature_store.joined(both, "recent", rows, lake)
    assert found["recent__mean_heat"].to_pylist() == [1.0]
    assert feature_store.planned_columns(both, "recent", snapshot.schema, lake) == ()


@pytest.mark.parametrize(
    "damage", [lambda p: p.write_bytes(p.read_bytes()[:-40]), Path.unlink], ids=["cut", "gone"]
)
@pytest.mark.parametrize("door", ["online", "comparison", "leakage"])
def test_a_damaged_file_is_named_wherever_rows_of_views_are_read(
    lake: Lake, pipeline: Pipeline, feature_store: FeatureStore, door: str, damage: Callable[[Path], None]
) -> None:
    write_day(lake, 0, {"m0": 1.0})
    write_day(lake, 1, {"m0": 2.0})
    feature_store.apply(pipeline, lake)
    snapshot = lake.snapshot("tiny/features/recent")
    (file,) = snapshot.paths([day_window(1).key])
    # What other statements read last is no help.
    lake_damage.remember("other", {"": ("elsewhere.parquet",) * 2_000})
    damage(Path(file))
    rows = label_rows([("m0", at(1, 20))])
    said = rf"table 'tiny/features/recent', partition '{day_window(1).key}' is damaged: {file}: "
    doors = {
        "online": lambda: feature_store.load_online(pipeline, "recent", day_window(1), lake),
        "comparison": lambda: feature_store.compare_online(pipeline, "recent", lake),
        "leakage": lambda: feature_store.features_with_changed_futures(
            pipeline, [Counterfactual(rows, at(1, 14))], lake, versions={snapshot.table: snapshot.version}
        ),
    }
    with pytest.raises(LakeDamageError, match=said):
        doors[door]()
