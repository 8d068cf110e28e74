"""Known values: held against a search of all labels by hand, row by row; nothing is seen before it was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.known_values import SEASONS, Season, fitting_seasons, known_values

INSTANT = pa.timestamp("us", tz="UTC")
HOUR = timedelta(hours=1)
START = datetime(2024, 3, 28, tzinfo=UTC)
ZONE = "Europe/Zurich"
"""Its clock is put forward on 2024-03-31: within the drawn days."""

TRIED = (SEASONS[0], replace(SEASONS[0], name="two_days", steps=2), SEASONS[1])

Row = Mapping[str, object]


def draw_rows(seed: int) -> list[Row]:
    """Draw hourly labels of three entities: late ones, missing ones, duplicates, and rows without an entity."""
    generator = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(160):
        at = START + HOUR * int(generator.integers(0, 12 * 24))
        delay = HOUR * float(generator.choice([0.5, 3, 20, 30, 80]))
        is_known = generator.random() < 0.85
        rows.append(
            {
                "row_id": f"{number:04d}",
                "event_timestamp": at,
                "label": float(generator.integers(0, 50)) if is_known else None,
                "label_time": at + delay if is_known else None,
                "site": [None, "a", "b", "c"][int(generator.choice(4, p=[0.05, 0.35, 0.3, 0.3]))],
                "line": int(generator.integers(0, 2)),
            }
        )
    return rows


def as_table(rows: Sequence[Row]) -> pa.Table:
    kinds = {"row_id": pa.string(), "event_timestamp": INSTANT, "label": pa.float64(), "label_time": INSTANT}
    kinds |= {"site": pa.string(), "line": pa.int64()}
    return pa.Table.from_pylist(list(rows), schema=pa.schema(kinds.items()))


def ask(
    rows: Sequence[Row], entity: Sequence[str], seasons: Sequence[Season], timezone: str = ZONE
) -> dict[str, Row]:
    connection = duckdb.connect()
    connection.register("labels", as_table(rows))
    sql = known_values("labels", "labels", entity=entity, seasons=seasons, timezone=timezone)
    return {row["row_id"]: row for row in connection.sql(sql).to_arrow_table().to_pylist()}


def search_by_hand(
    rows: Sequence[Row], asked: Row, entity: Sequence[str], seasons: Sequence[Season]
) -> dict[str, object]:
    """Look through all labels: the newest known event of the entity, and the newest one before a season ago."""
    now = asked["event_timestamp"]
    assert isinstance(now, datetime)
    if any(asked[name] is None for name in entity):
        return dict.fromkeys(("last_value", *(season.name for season in seasons)))
    same = [
        row for row in rows if row["label"] is not None and all(row[name] == asked[name] for name in entity)
    ]

    def place(row: Row) -> tuple[object, object]:
        return row["event_timestamp"], row["row_id"]

    known = [row for row in same if row["label_time"] <= now]  # type: ignore[operator]
    found: dict[str, object] = {"last_value": max(known, key=place)["label"] if known else None}
    for season in seasons:
        wall = now.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None) - season.reach
        before = wall.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
        earlier = [row for row in same if row["event_timestamp"] <= before]  # type: ignore[operator]
        newest = max(earlier, key=place) if earlier else None
        is_near = newest is not None and newest["event_timestamp"] > before - season.tolerance  # type: ignore[operator]
        is_known = newest is not None and newest["label_time"] <= now  # type: ignore[operator]
        found[season.name] = newest["label"] if newest is not None and is_near and is_known else None
    return found


@pytest.mark.parametrize("entity", [(), ("site",), ("site", "line")])
@pytest.mark.parametrize("seed", range(10))
def test_each_row_gets_what_a_search_of_all_labels_finds(seed: int, entity: tuple[str, ...]) -> None:
    rows = draw_rows(seed)
    found = ask(rows, entity, TRIED)
    assert set(found) == {row["row_id"] for row in rows}
    for row in rows:
        expected = search_by_hand(rows, row, entity, TRIED)
        assert {name: found[str(row["row_id"])][name] for name in expected} == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 12 * 24), entity=st.sampled_from([(), ("site",)]))
def test_no_row_changes_with_labels_that_became_known_after_it(
    seed: int, at: int, entity: tuple[str, ...]
) -> None:
    rows, cut = draw_rows(seed), START + HOUR * at
    changed = [
        {**row, "label": -1.0} if row["label"] is not None and row["label_time"] > cut else row  # type: ignore[operator]
        for row in rows
    ]
    before, after = ask(rows, entity, TRIED), ask(changed, entity, TRIED)
    for row in rows:
        if row["event_timestamp"] <= cut:  # type: ignore[operator]
            assert before[str(row["row_id"])] == after[str(row["row_id"])]


def test_a_label_that_is_known_at_the_very_instant_counts() -> None:
    rows: list[Row] = [
        {"row_id": "a", "event_timestamp": START, "label": 1.0, "label_time": START + HOUR},
        {"row_id": "b", "event_timestamp": START + HOUR, "label": 2.0, "label_time": START + 2 * HOUR},
    ]
    assert ask(rows, (), ())["b"]["last_value"] == 1.0
    assert ask(rows, (), ())["a"]["last_value"] is None


def test_a_late_label_of_an_older_event_does_not_replace_a_newer_one() -> None:
    rows: list[Row] = [
        {"row_id": "old", "event_timestamp": START, "label": 1.0, "label_time": START + 5 * HOUR},
        {"row_id": "new", "event_timestamp": START + HOUR, "label": 2.0, "label_time": START + 2 * HOUR},
        {"row_id": "asked", "event_timestamp": START + 9 * HOUR, "label": None, "label_time": None},
    ]
    assert ask(rows, (), ())["asked"]["last_value"] == 2.0


def test_classes_and_whole_numbers_keep_their_type() -> None:
    connection = duckdb.connect()
    connection.sql(
        "CREATE TABLE labels AS SELECT i::VARCHAR AS row_id, timezone('UTC', TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * i) "
        "AS event_timestamp, event_timestamp + INTERVAL 1 MINUTE AS label_time, chr(97 + i::INT) AS label, "
        '\'x"y\' AS "site\'s ""name""" FROM range(3) AS t(i)'
    )
    sql = known_values("labels", "labels", entity=('site\'s "name"',), seasons=(), timezone="UTC")
    assert sorted(connection.sql(sql).fetchall())[2][2] == "b"


@pytest.mark.parametrize(
    ("gap", "n", "expected"),
    [
        (HOUR, 24 * 20, ["day_season", "week_season"]),
        (HOUR, 24 * 5, ["day_season"]),
        (HOUR, 24, []),
        (timedelta(days=1), 21, ["week_season"]),
        (timedelta(days=1), 800, ["week_season", "year_season"]),
        (timedelta(days=30), 30, ["year_season"]),
    ],
)
def test_seasons_fit_the_cadence_and_the_span(gap: timedelta, n: int, expected: list[str]) -> None:
    rows: list[Row] = [
        {
            "row_id": f"{site}{number}",
            "event_timestamp": START + gap * number,
            "label": 1.0,
            "label_time": START + gap * (number + 1),
            "site": site,
        }
        for site in "ab"
        for number in range(n)
    ]
    connection = duckdb.connect()
    connection.register("labels", as_table(rows))
    assert [season.name for season in fitting_seasons(connection, "labels", ("site",))] == expected


def test_one_event_has_no_cadence() -> None:
    connection = duckdb.connect()
    rows: list[Row] = [{"row_id": "a", "event_timestamp": START, "label": 1.0, "label_time": START + HOUR}]
    connection.register("labels", as_table(rows))
    assert fitting_seasons(connection, "labels", ()) == ()


def test_events_that_come_as_they_like_have_no_season() -> None:
    generator = np.random.default_rng(0)
    connection = duckdb.connect()
    rows: list[Row] = [
        {"row_id": f"{number}", "event_timestamp": at, "label": 1.0, "label_time": at + HOUR}
        for number, at in enumerate(START + HOUR * float(hours) for hours in generator.uniform(0, 2_000, 900))
    ]
    connection.register("labels", as_table(rows))
    assert fitting_seasons(connection, "labels", ()) == ()


def test_a_forecast_a_day_ahead_looks_back_to_the_newest_known_day() -> None:
    # Predicted 24 hours before the hour begins, known an hour after its beginning: 25 hours, so two days back.
    rows: list[Row] = [
        {
            "row_id": f"{number:04d}",
            "event_timestamp": START + HOUR * number,
            "label": float(number),
            "label_time": START + HOUR * (number + 25),
        }
        for number in range(24 * 30)
    ]
    connection = duckdb.connect()
    connection.register("labels", as_table(rows))
    seasons = fitting_seasons(connection, "labels", ())
    assert [(season.name, season.steps) for season in seasons] == [("day_season", 2), ("week_season", 1)]
    found = ask(rows, (), seasons, "UTC")["0500"]
    assert (found["last_value"], found["day_season"], found["week_season"]) == (475.0, 452.0, 332.0)


@pytest.mark.parametrize("name", ["known", "steps", "events", "asked_0"])
def test_a_relation_may_have_any_name(name: str) -> None:
    rows = draw_rows(3)[:40]
    connection = duckdb.connect()
    connection.register(name, as_table(rows))
    sql = known_values(name, name, entity=(), seasons=SEASONS[:1], timezone=ZONE)
    found = {row["row_id"]: row for row in connection.sql(sql).to_arrow_table().to_pylist()}
    assert found == ask(rows, (), SEASONS[:1])
