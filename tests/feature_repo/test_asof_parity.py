"""The join gives what looking at every row gives, and what Feast's own store gives.

2,000 cases go to the engine directly, 100 through the whole of Feast, 120 against Feast's `duckdb` store.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.asof_engine import EngineSettings, engine, join
from feature_repo.asof_sql import ViewRows
from tests.feature_repo.brute_force import Row, known_values
from tests.feature_repo.conftest import BUILT_IN, OURS, open_project

START = datetime(2024, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
UTC_US = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000

KEYS = (("machine", st.integers(0, 1)), ("site", st.sampled_from(["a", "A"])))
"""Key columns: an entity has none, one or both."""

INSTANTS = st.builds(lambda hour, us: hour * HOUR + us, st.integers(0, 4), st.sampled_from([0, 0, 0, -1, 1]))
"""Few, so that ties, exact ends of a ttl and makings at the label's instant abound; some miss by a microsecond."""

TTLS = st.none() | st.builds(
    lambda hours, us: hours * HOUR + us, st.integers(1, 4), st.sampled_from([0, 0, -1, 1])
)


@st.composite
def views(draw: st.DrawFn) -> tuple[int, list[Row], bool, int | None]:
    """Draw a view: its number of keys, its rows, whether they tell when they were made, and its ttl."""
    n_keys = draw(st.integers(0, 2))
    has_made = draw(st.booleans())
    row = st.builds(
        Row,
        keys=st.tuples(*(st.none() | values for _, values in KEYS[:n_keys])),
        at=st.none() | INSTANTS,
        made=st.none() | INSTANTS if has_made else st.none(),
        values=st.tuples(*[st.none() | st.integers(0, 3).map(float)] * 2),
    )
    # Left to themselves, lists are short, and entities without rows to choose among.
    rows = draw(st.lists(row, min_size=draw(st.sampled_from([0, 12])), max_size=24))
    return n_keys, rows, has_made, draw(TTLS)


LABELS = st.lists(st.tuples(*(st.none() | values for _, values in KEYS), st.none() | INSTANTS), max_size=10)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one engine for all cases: opening it costs more than a case."""
    with engine(EngineSettings(threads=1)) as opened:
        yield opened


def instants(values: list[int | None]) -> pa.Array:
    return pa.array([None if v is None else START_US + v for v in values], pa.int64()).cast(UTC_US)


def table_of(rows: list[Row], n_keys: int) -> pa.Table:
    types = (pa.int64(), pa.string())
    return pa.table(
        {
            **{KEYS[k][0]: pa.array([row.keys[k] for row in rows], types[k]) for k in range(n_keys)},
            "happened": instants([row.at for row in rows]),
            "made": instants([row.made for row in rows]),
            "x": pa.array([row.values[0] for row in rows], pa.float64()),
            "y": pa.array([row.values[1] for row in rows], pa.float64()),
        }
    )


@pytest.mark.long
@given(drawn=st.lists(views(), min_size=1, max_size=2), labels=LABELS, only_created=st.booleans())
@settings(max_examples=2_000, deadline=None)
def test_each_label_gets_what_looking_at_every_row_gives(
    connection: duckdb.DuckDBPyConnection,
    drawn: list[tuple[int, list[Row], bool, int | None]],
    labels: list[tuple[Any, ...]],
    only_created: bool,
) -> None:
    declared = []
    for number, (n_keys, rows, has_made, ttl) in enumerate(drawn):
        connection.register(f"rows_{number}", table_of(rows, n_keys))
        declared.append(
            ViewRows(
                name=f"view_{number}",
                relation=f"rows_{number}",
                keys={name: name for name, _ in KEYS[:n_keys]},
                features={f"x_{number}": "x", f"y_{number}": "y"},
                timestamp="happened",
                created="made" if has_made else None,
                ttl=None if ttl is None else timedelta(microseconds=ttl),
            )
        )
    asked = pa.table(
        {
            "machine": pa.array([label[0] for label in labels], pa.int64()),
            "site": pa.array([label[1] for label in labels], pa.string()),
            "event_timestamp": instants([label[2] for label in labels]),
        }
    )
    found = join(connection, asked, "event_timestamp", declared, only_created=only_created)
    assert found.select(asked.column_names).equals(asked)
    for number, (n_keys, rows, has_made, ttl) in enumerate(drawn):
        expected = [
            known_values(rows, label[:n_keys], label[2], ttl=ttl, only_made=only_created and has_made)
            or (None, None)
            for label in labels
        ]
        columns = found.column(f"x_{number}").to_pylist(), found.column(f"y_{number}").to_pylist()
        assert list(zip(*columns, strict=True)) == expected


FEAST_ROWS = st.lists(
    st.builds(
        Row,
        keys=st.tuples(st.integers(0, 2)),
        at=INSTANTS,
        made=INSTANTS,
        values=st.tuples(st.integers(0, 99).map(float)),
    ),
    max_size=25,
)
FEAST_LABELS = st.lists(st.tuples(st.none() | st.integers(0, 3), INSTANTS), max_size=12)


@pytest.mark.long
@given(rows=FEAST_ROWS, labels=FEAST_LABELS, ttl=st.sampled_from([None, 3 * HOUR]))
@settings(max_examples=100, deadline=None)
def test_the_same_is_found_through_feast(
    rows: list[Row], labels: list[tuple[int | None, int]], ttl: int | None
) -> None:
    table = pa.table(
        {
            "machine": pa.array([row.keys[0] for row in rows], pa.int64()),
            "event_timestamp": instants([row.at for row in rows]),
            "created_timestamp": instants([row.made for row in rows]),
            "value": pa.array([row.values[0] for row in rows], pa.float64()),
        }
    )
    asked = pa.table(
        {
            "row_id": pa.array([f"r{number}" for number in range(len(labels))], pa.string()),
            "machine": pa.array([machine for machine, _ in labels], pa.int64()),
            "event_timestamp": instants([at for _, at in labels]),
        }
    )
    with TemporaryDirectory() as folder:
        store = open_project(
            Path(folder), {"view": table}, ttl=None if ttl is None else timedelta(microseconds=ttl)
        )
        found = store.get_historical_features(entity_df=asked, features=["view:value"]).to_arrow()
    assert found["row_id"].equals(asked["row_id"])
    expected = [known_values(rows, (m,), at, ttl=ttl, only_made=True) or (None,) for m, at in labels]
    assert [(value,) for value in found["value"].to_pylist()] == expected


def random_rows(generator: np.random.Generator, n: int, *, n_keys: int) -> pa.Table:
    """Draw few entities and hours, so that ties and duplicates abound; making within a day."""
    at = generator.integers(0, 200, n)
    # Makings differ, so that ties have one right answer.
    made = at + generator.permutation(n) / n * 24
    return pa.table(
        {
            "machine": generator.integers(0, 6, n),
            **{f"key{k}": generator.integers(0, 4, n) for k in range(1, n_keys)},
            "event_timestamp": instants([int(hour) * HOUR for hour in at]),
            "created_timestamp": instants([int(hour * HOUR) for hour in made]),
            "value": pa.array(
                np.where(generator.random(n) < 0.1, np.nan, generator.normal(size=n)), from_pandas=True
            ),
            "value_2": generator.normal(size=n),
        }
    )


def random_labels(generator: np.random.Generator, n: int, *, n_keys: int) -> pa.Table:
    """Draw labels of known and unknown entities, before, within and after the rows."""
    return pa.table(
        {
            "row_id": [f"r{number}" for number in range(n)],
            "machine": generator.integers(0, 8, n),
            **{f"key{k}": generator.integers(0, 5, n) for k in range(1, n_keys)},
            "event_timestamp": instants([int(hour) * HOUR for hour in generator.integers(-5, 230, n)]),
        }
    )


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
@pytest.mark.parametrize("ttl", [None, timedelta(hours=12)], ids=["for ever", "ttl 12 h"])
@pytest.mark.parametrize("only_created", [True, False], ids=["made in time", "made any time"])
@pytest.mark.parametrize("n_keys", [1, 2])
def test_values_are_those_of_the_duckdb_store_that_feast_ships(
    tmp_path: Path, ttl: timedelta | None, only_created: bool, n_keys: int
) -> None:
    keys = {"machine": int, **{f"key{k}": int for k in range(1, n_keys)}}
    names = ("view", "other")
    first = {name: random_rows(np.random.default_rng(0), 10, n_keys=n_keys) for name in names}
    ours = open_project(
        tmp_path / "ours",
        first,
        offline={**OURS, "filter_by_created_timestamp": only_created},
        keys=keys,
        ttl=ttl,
    )
    theirs = open_project(tmp_path / "theirs", first, offline=BUILT_IN, keys=keys, ttl=ttl)
    references = ["view:value", "view:value_2", "other:value"]
    for seed in range(15):
        generator = np.random.default_rng(seed)
        for name in names:
            rows = random_rows(generator, 600, n_keys=n_keys)
            write_deltalake(str(tmp_path / "ours" / name), rows, mode="overwrite")
            pq.write_table(rows, tmp_path / "theirs" / f"{name}.parquet")
        labels = random_labels(generator, 300, n_keys=n_keys)
        found = ours.get_historical_features(labels, references, full_feature_names=True).to_arrow()
        expected = theirs.get_historical_features(
            labels.to_pandas(), references, full_feature_names=True, filter_by_created_timestamp=only_created
        ).to_df()
        expected = expected.set_index("row_id").loc[labels["row_id"].to_pylist()].reset_index()
        for column in ("row_id", "view__value", "view__value_2", "other__value"):
            pd.testing.assert_series_equal(
                found[column].to_pandas(), expected[column], check_exact=True, check_dtype=False
            )
        assert found["view__value_2"].null_count not in (0, 300)
