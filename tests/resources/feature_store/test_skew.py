"""Planted differences between what was served and what the offline join gives are found, with their causes."""

from dataclasses import replace
from shutil import rmtree

import pyarrow as pa

from declaration.spec import PipelineSpec
from driftline.skew import told
from resources.feature_store.online.reading import recent_view
from resources.feature_store.online.served_log import SERVED_FEATURES, ServedLog
from resources.feature_store.skew import (
    FEATURE_SKEW,
    SkewExample,
    write_skew,
)
from tests.fixtures.served_world import UTC_US, World, at
from tests.fixtures.tiny import DECLARATION, START, day_window


def test_nothing_differs_where_all_was_loaded_in_time(world: World) -> None:
    world.write(0, {"m0": 0.1 + 0.2, "m1": None, "m2": float("nan")}, created=at(0, 13))
    world.load(0)
    for machine in ("m0", "m1", "m2", "m9"):
        world.serve(machine, at(1))
    # Expired online and offline alike.
    world.serve("m0", at(5))
    found = world.skew()
    assert {name: (one.n_compared, one.n_different) for name, one in found.items()} == {
        "mean_heat": (5, 0),
        "readings": (5, 0),
    }
    assert found["mean_heat"].mean_abs_difference == 0
    assert found["mean_heat"].examples == ()


def test_a_late_row_that_says_when_it_was_created_is_no_skew(world: World) -> None:
    # Training sets do not see it either: it was not known when the answer was given.
    world.write(0, {"m0": 1.0}, created=at(0, 13))
    world.load(0)
    world.serve("m0", at(2))
    world.write(1, {"m0": 4.0}, created=at(3))
    assert world.skew()["mean_heat"].n_different == 0
    # An answer after its creation without having loaded it is.
    world.serve("m0", at(3, 1))
    found = world.skew()["mean_heat"]
    assert (found.n_compared, found.causes, found.mean_abs_difference) == (2, {"older value served": 1}, 1.5)
    assert found.examples == (SkewExample({"machine": "m0"}, at(3, 1), "1.0", "4.0", "older value served"),)


def test_a_row_that_was_known_but_not_loaded_is_an_older_value_served(world: World) -> None:
    world.write(0, {"m0": 1.0}, created=at(0, 13))
    world.load(0)
    world.write(1, {"m0": 4.0, "m1": 2.0}, created=at(1, 13))
    world.serve("m0", at(2))
    world.serve("m1", at(2))
    found = world.skew()["mean_heat"]
    assert found.causes == {"older value served": 2}
    assert [(one.online, one.offline) for one in found.examples] == [("1.0", "4.0"), (None, "2.0")]


def test_a_late_row_of_a_view_without_creation_is_a_newer_row(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    world.serve("m0", at(2))
    world.write(1, {"m0": 4.0})
    assert world.skew()["mean_heat"].causes == {"newer row": 1}


def test_a_value_that_was_recomputed_and_a_row_that_is_gone(world: World) -> None:
    world.write(0, {"m0": 1.0, "m1": 2.0})
    world.load(0)
    world.serve("m0", at(1))
    world.serve("m1", at(1))
    world.write(0, {"m0": 1.5})
    found = world.skew()["mean_heat"]
    assert found.causes == {"changed value": 1, "row gone": 1}
    assert [(one.online, one.offline, one.cause) for one in found.examples] == [
        ("1.0", "1.5", "changed value"),
        ("2.0", None, "row gone"),
    ]
    assert found.mean_abs_difference == 0.5


def test_an_answer_under_another_ttl_is_expired(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    world.serve("m0", at(2))
    view = {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "1d"}
    spec = PipelineSpec.model_validate({**DECLARATION, "features": {"recent": view}})
    world.pipeline = replace(world.pipeline, spec=spec)
    world.store.apply(world.pipeline, world.lake)
    found = world.skew()["mean_heat"]
    assert (found.causes, found.examples[0].online, found.examples[0].offline) == (
        {"expired": 1},
        "1.0",
        None,
    )


def test_a_feature_that_was_not_loaded_when_asked_is_a_changed_definition(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    rows = pa.table(
        {
            "machine": ["m0"],
            "event_timestamp": pa.array([at(0, 12)], UTC_US),
            "mean_heat": [1.0],
            "readings": pa.array([80], pa.int64()),
            "peak": [9.0],
        }
    )
    world.lake.write("tiny/features/recent", rows, partition=day_window(0).key)
    world.store.apply(world.pipeline, world.lake)
    # Another process reads the view as it is registered now.
    recent_view.cache_clear()
    world.serve("m0", at(1))
    found = world.skew()
    assert found["peak"].causes == {"changed definition": 1}
    assert found["mean_heat"].n_different == 0


def test_a_feature_that_is_defined_no_more_or_of_another_type_is_a_changed_definition(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    world.serve("m0", at(1))
    rows = pa.table(
        {
            "machine": ["m0"],
            "event_timestamp": pa.array([at(0, 12)], UTC_US),
            "mean_heat": pa.array([None], pa.bool_()),
        }
    )
    # The table is built anew: Delta does not change a column's type.
    rmtree(world.lake.table_path("tiny/features/recent"))
    world.lake.write("tiny/features/recent", rows, partition=day_window(0).key)
    world.store.apply(world.pipeline, world.lake)
    found = world.skew()
    assert {name: dict(one.causes) for name, one in found.items()} == {
        "mean_heat": {"changed definition": 1},
        "readings": {"changed definition": 1},
    }


def test_answers_before_since_are_left_out_and_five_examples_are_given(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    for hour in range(8):
        world.serve("m0", at(1, hour))
    world.write(0, {"m0": 3.0})
    found = world.skew(since=at(1, 1))["mean_heat"]
    assert (found.n_compared, found.n_different, found.different_share) == (7, 7, 1.0)
    assert [one.served_at for one in found.examples] == [at(1, hour) for hour in range(1, 6)]
    assert "recent.mean_heat: 7 of 7 differ (100.00%), mean difference 2; changed value 7" in told([found])


def test_what_was_found_is_kept_in_the_lake(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    world.serve("m0", at(1))
    for _ in range(2):
        found = tuple(world.skew().values())
        write_skew(world.lake, "tiny", found, since=START, clock=at(3))
    rows = world.lake.read(FEATURE_SKEW.of("tiny")).to_pylist()
    assert [(row["feature"], row["n_compared"]) for row in rows] == [("mean_heat", 1), ("readings", 1)] * 2


def test_without_a_log_there_is_nothing_to_compare(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    world.store.read_online(world.pipeline, "recent", [{"machine": "m0"}], at(1))
    assert world.skew() == {}


def test_a_full_log_is_appended_at_once_and_the_rest_at_its_end(world: World) -> None:
    world.write(0, {"m0": 1.0})
    world.load(0)
    with ServedLog(world.lake, "tiny", rows_at_once=2) as log:
        for hour in range(3):
            world.store.read_online(world.pipeline, "recent", [{"machine": "m0"}], at(1, hour), log=log)
        assert world.lake.snapshot(SERVED_FEATURES.of("tiny")).n_rows == 2
    assert world.lake.snapshot(SERVED_FEATURES.of("tiny")).n_rows == 3
