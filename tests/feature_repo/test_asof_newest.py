"""The newest instant of each label, from blocks of rows: against every row looked at, and against the engine's ASOF join."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo import asof_engine, asof_newest
from feature_repo.asof_engine import AsofJoinError, EngineSettings, engine, join
from feature_repo.asof_newest import NEVER, Block, CodedLabels, blocks, newest_instants
from feature_repo.asof_sql import ViewRows
from tests.feature_repo.newest_sql import find_newest

HOUR = 3_600_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
FAR = [-62_135_596_800_000_000, 253_402_300_799_999_999]
"""The first and the last microsecond that Python and Arrow write as a date."""

INSTANTS = st.builds(
    lambda hour, us: START + hour * HOUR + us, st.integers(0, 4), st.sampled_from([0, 0, 0, -1, 1])
)
FAR_INSTANTS = st.one_of(INSTANTS, INSTANTS, st.sampled_from(FAR))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one engine for all cases."""
    with engine(EngineSettings(threads=1)) as opened:
        yield opened


def coded(labels: list[tuple[int, int]]) -> CodedLabels:
    positions, entities, at = (np.array(column, dtype=np.int64) for column in _columns(labels))
    return CodedLabels.of(
        pa.table({"row": positions, "entity": entities, "at": pa.array(at).cast(pa.timestamp("us", "UTC"))})
    )


def _columns(labels: list[tuple[int, int]]) -> tuple[list[int], list[int], list[int]]:
    return list(range(len(labels))), [entity for entity, _ in labels], [at for _, at in labels]


def integers(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64)


# Entities beyond any count make distances too wide for 64 bits: instants are then numbered by rank.
@pytest.mark.parametrize("last", [3, 2**40], ids=["by distance", "by rank"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_newest_instants_are_those_of_looking_at_every_row(last: int, data: st.DataObject) -> None:
    entities = st.sampled_from([0, 1, last])
    labels = data.draw(st.lists(st.tuples(entities, FAR_INSTANTS), max_size=12))
    rows = data.draw(st.lists(st.tuples(entities, FAR_INSTANTS, FAR_INSTANTS), max_size=24))
    has_made = data.draw(st.booleans())
    n_first = data.draw(st.integers(0, len(rows)))
    parts = [
        Block(integers([e for e, _, _ in some]), integers([at for _, at, _ in some]),
              integers([made for _, _, made in some]) if has_made else None)
        for some in (rows[:n_first], rows[n_first:])
    ]  # fmt: skip
    asked = coded(labels)
    found = dict(zip(asked.positions.tolist(), newest_instants(asked, parts).tolist(), strict=True))
    for place, (entity, at) in enumerate(labels):
        known = [
            happened
            for of, happened, made in rows
            if of == entity and happened <= at and (made <= at or not has_made)
        ]
        assert found[place] == max(known, default=NEVER)


def test_a_stream_is_gathered_into_blocks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asof_newest, "MIN_BLOCK", 5)
    monkeypatch.setattr(asof_newest, "MAX_BLOCK", 8)
    utc = pa.timestamp("us", "UTC")
    batch = pa.record_batch({"entity": pa.array([0, 1]), "at": pa.array([1, 2], utc)})
    for n_labels, sizes in ((1, [4, 4, 4, 2]), (7, [6, 6, 2]), (100, [8, 6])):
        made = list(blocks([batch] * 7, n_labels))
        assert [len(block.instants) for block in made] == sizes
        assert all(block.made is None for block in made)


KEYS = {
    "number": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf])),
    "text": (pa.string(), st.sampled_from(["", "a", "A", "ä"])),
    "day": (pa.timestamp("us", "Asia/Kolkata"), st.sampled_from([0, HOUR])),
}
VALUES = st.none() | st.sampled_from([0.0, -0.0, 1.0, math.nan, -math.inf])


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_each_cell_is_that_of_the_engines_own_asof_join(
    connection: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    keys = data.draw(st.lists(st.sampled_from(sorted(KEYS)), unique=True, max_size=2))
    of_keys = [st.none() | KEYS[key][1] for key in keys]
    row = st.tuples(*of_keys, st.none() | FAR_INSTANTS, st.none() | FAR_INSTANTS, VALUES, VALUES)
    rows = data.draw(st.lists(row, min_size=data.draw(st.sampled_from([0, 12])), max_size=30))
    labels = data.draw(st.lists(st.tuples(*of_keys, st.none() | FAR_INSTANTS), max_size=12))
    zone = data.draw(st.sampled_from(["UTC", "America/New_York", None]))
    instant = pa.timestamp("us", zone)
    types = [KEYS[key][0] for key in keys]
    connection.register(
        "tied", table(rows, [*keys, "at", "made", "x", "y"], [*types, instant, instant, pa.float64(), pa.float64()])
    )  # fmt: skip
    ttl = data.draw(st.none() | st.sampled_from([1, HOUR - 1, HOUR, HOUR + 1]))
    view = ViewRows(
        "view",
        "tied",
        {key: key for key in keys},
        {"x": "x", "y": "y"},
        "at",
        data.draw(st.sampled_from(["made", None])),
        None if ttl is None else timedelta(microseconds=ttl),
    )
    asked = table(labels, [*keys, "event_timestamp"], [*types, instant])
    only_created = data.draw(st.booleans())
    found = join(connection, asked, "event_timestamp", [view], only_created=only_created)
    with patch.object(asof_engine, "_find_newest", find_newest):
        expected = join(connection, asked, "event_timestamp", [view], only_created=only_created)
    assert found.schema == expected.schema
    # As text NaN is equal to NaN, and 0.0 is not -0.0.
    assert str(found.select(["x", "y"]).to_pylist()) == str(expected.select(["x", "y"]).to_pylist())


def table(rows: list[tuple[Any, ...]], names: list[str], types: list[pa.DataType]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: pa.array(list(values), kind) for name, values, kind in zip(names, columns, types, strict=True)})  # fmt: skip


def test_a_key_that_is_no_number_in_the_midst_of_the_stream_is_named(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    at = pa.array([START] * 2, pa.timestamp("us", "UTC"))
    connection.register("texts", pa.table({"machine": ["1", "one"], "at": at, "x": [1.0, 2.0]}))
    view = ViewRows("view", "texts", {"machine": "machine"}, {"x": "x"}, "at", None, None)
    with pytest.raises(AsofJoinError, match=r"feature view 'view' cannot be joined on machine: .*one"):
        join(connection, pa.table({"machine": [1, 2], "event_timestamp": at}), "event_timestamp", [view], only_created=True)  # fmt: skip
