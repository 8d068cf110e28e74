"""The join is Feast's, row for row; nothing from a label's future reaches it."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.asof_engine import AsofJoinError
from feature_repo.asof_entities import EntityRowsError
from feature_repo.snapshots import SnapshotError, pinned
from tests.feature_repo.conftest import BUILT_IN, OpenStore, open_project

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


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
@pytest.mark.parametrize("ttl", [None, timedelta(hours=12)], ids=["for ever", "ttl 12 h"])
@pytest.mark.parametrize("only_created", [True, False], ids=["made in time", "made any time"])
@pytest.mark.parametrize("n_keys", [1, 2])
def test_values_are_those_of_the_duckdb_store_that_feast_ships(
    project: OpenStore, ttl: timedelta | None, only_created: bool, n_keys: int
) -> None:
    generator = np.random.default_rng(5)
    rows = {name: random_rows(generator, 600, keys=n_keys) for name in ("view", "other")}
    labels = random_labels(generator, 300, keys=n_keys)
    keys = {"machine": int, **{f"key{k}": int for k in range(1, n_keys)}}
    references = ("view:value", "view:value_2", "other:value")
    common: dict[str, Any] = {"keys": keys, "ttl": ttl}
    ours = project(
        rows,
        offline={
            "type": "feature_repo.asof_store.AsofOfflineStore",
            "filter_by_created_timestamp": only_created,
        },
        **common,
    )
    theirs = project(rows, offline=BUILT_IN, **common)
    found = joined(ours, labels, *references, full_feature_names=True)
    expected = joined(
        theirs,
        labels.to_pandas(),
        *references,
        full_feature_names=True,
        filter_by_created_timestamp=only_created,
    ).to_pandas()
    expected = expected.set_index("row_id").loc[labels["row_id"].to_pylist()].reset_index()
    for name in ("row_id", "view__value", "view__value_2", "other__value"):
        pd.testing.assert_series_equal(found[name].to_pandas(), expected[name], check_exact=True)
    assert found["view__value_2"].null_count not in (0, 300)


def by_hand(rows: Sequence[Row], machine: int | None, at: int, ttl: int | None) -> float | None:
    """Look at every row: known at the label's hour, the newest, of ties the one made last."""
    known = [row for row in rows if row[0] == machine and row[1] <= at and row[2] <= at]
    if not known:
        return None
    newest = max(known, key=lambda row: (row[1], row[2], -row[3]))
    return newest[3] if ttl is None or at - newest[1] <= ttl else None


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 12),
        st.integers(0, 16),
        st.integers(0, 99).map(float),
    ),
    max_size=25,
)
LABELS = st.lists(st.tuples(st.none() | st.integers(0, 3), st.integers(-2, 15)), max_size=12)


@given(rows=ROWS, labels=LABELS, ttl=st.sampled_from([None, 3]))
@settings(max_examples=100)
def test_each_label_gets_the_newest_value_known_at_its_instant(
    rows: list[Row], labels: list[tuple[int | None, int]], ttl: int | None
) -> None:
    with TemporaryDirectory() as folder:
        store = open_project(Path(folder), {"view": rows_of(rows)}, ttl=timedelta(hours=ttl) if ttl else None)
        found = joined(store, labels_of(labels))
    assert found["row_id"].to_pylist() == [f"r{number}" for number in range(len(labels))]
    assert found["value"].to_pylist() == [by_hand(rows, machine, at, ttl) for machine, at in labels]


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


def test_sql_text_as_labels_is_refused(project: OpenStore) -> None:
    store = project({"view": rows_of([(1, 0, 0, 1.0)])})
    with pytest.raises(EntityRowsError, match="does not run SQL text"):
        joined(store, "SELECT 1")


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
