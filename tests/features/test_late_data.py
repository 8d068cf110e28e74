"""Late rows, from the source to what is served, on each online store.

Readings of the first day arrive after the following days were refreshed. The view's events are the
day's end: what is late changes the partition of the second day.
"""

import csv
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.features.asset import materialize_features
from assets.labels.asset import materialize_labels
from assets.materialization import StageRun
from assets.training_set.asset import materialize_training_set
from declaration.pipeline import Pipeline
from resources.connections import Connections
from resources.feature_store.objects import stored_views
from resources.feature_store.point_in_time import join_views
from tests.fixtures.stages import connected, take_in
from tests.fixtures.tiny import START, day_window, scope, tiny_pipeline

VIEW = "tiny/features/recent"
LATE_DAY, N_DAYS = 1, 3
IN_TIME = [("always", 0, 1.0), ("always", 1, 2.0), ("once", 0, 1.0)]
"""Machine, day and heat of the readings that are there from the start."""
LATE = [("always", 0, 3.0), ("once", 0, 3.0), ("new", 0, 5.0)]


def write_readings(folder: Path, readings: list[tuple[str, int, float]]) -> None:
    with (folder / "readings.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["id", "machine", "taken_at", "heat", "load", "failed"])
        for number, (machine, day, heat) in enumerate(readings):
            at = START + timedelta(days=day, minutes=number)
            rows.writerow([number, machine, at.isoformat(), heat, 0.5, number % 2 == 0])


class World:
    """A pipeline whose days are refreshed as Dagster would."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.pipeline: Pipeline = tiny_pipeline(folder)
        self.connections: Connections = connected(folder / "home", DRIFTLINE_ONLINE_URL=url)

    def arrive(self, readings: list[tuple[str, int, float]], *, day: int) -> None:
        write_readings(self.folder, readings)
        take_in(self.pipeline, self.connections, day)

    def refresh(self, day: int) -> None:
        connections = self.connections
        materialize_features(
            StageRun(self.pipeline, scope(day), connections.lake, connections.engine),
            "recent",
            feature_store=connections.feature_store,
        )

    def train(self, day: int) -> None:
        connections = self.connections
        for labelled in range(day + 1):
            materialize_labels(StageRun(self.pipeline, scope(labelled), connections.lake, connections.engine))
        materialize_training_set(
            StageRun(self.pipeline, scope(day), connections.lake, connections.engine),
            feature_store=connections.feature_store,
        )

    def stored(self, day: int) -> Mapping[str, tuple[float, int]]:
        """Return mean and number of readings by machine in a partition of the lake."""
        rows = [
            row
            for path in self.connections.lake.snapshot(VIEW).paths([day_window(day).key])
            for row in pq.ParquetFile(path).read().to_pylist()
        ]
        return {row["machine"]: (row["mean_heat"], row["readings"]) for row in rows}

    def served(self) -> Mapping[str, tuple[object, ...]]:
        """Return mean, number of readings and the event's day by machine, as served."""
        machines = ["always", "once", "new"]
        found = self.connections.feature_store.read_online(
            self.pipeline, "recent", [{"machine": machine} for machine in machines], day_window(N_DAYS).start
        )
        return {
            machine: (*one.values.values(), one.event_timestamp and (one.event_timestamp - START).days)
            for machine, one in zip(machines, found, strict=True)
        }

    def joined(self, version: int, labels_version: int) -> Mapping[str, float | None]:
        """Return the mean that each label is joined with at a version of the view's table."""
        connections = self.connections
        labels = connections.lake.read("tiny/labels", version=labels_version)
        rows = join_views(
            connections.feature_store._store("tiny"),
            self.pipeline.spec,
            labels.select(["row_id", "event_timestamp", "machine"]),
            stored_views(self.pipeline, connections.lake),
            {"recent": version},
        )
        return dict(zip(rows["row_id"].to_pylist(), rows["recent__mean_heat"].to_pylist(), strict=True))

    def bytes_of(self, table: str, day: int) -> list[str]:
        paths = self.connections.lake.snapshot(table).paths([day_window(day).key])
        return [sha256(Path(path).read_bytes()).hexdigest() for path in paths]


@pytest.fixture
def world(tmp_path: Path, online_url: str) -> World:
    """Three days, refreshed in time."""
    made = World(tmp_path, online_url)
    for day in range(N_DAYS):
        made.arrive(IN_TIME, day=day)
    for day in range(1, N_DAYS):
        made.refresh(day)
    return made


def test_late_rows_reach_the_lake_and_replace_nothing_newer_online(world: World) -> None:
    assert world.served() == {"always": (2.0, 1, 2), "once": (1.0, 1, 1), "new": (None, None, None)}
    world.arrive(IN_TIME + LATE, day=0)
    world.refresh(LATE_DAY)
    assert world.stored(LATE_DAY) == {"always": (2.0, 2), "once": (2.0, 2), "new": (5.0, 1)}
    # The newer event of `always` stays; the same event of `once` is corrected; `new` was unknown.
    assert world.served() == {"always": (2.0, 1, 2), "once": (2.0, 2, 1), "new": (5.0, 1, 1)}


def test_partitions_refreshed_in_any_order_and_any_number_of_times_are_the_same(world: World) -> None:
    world.arrive(IN_TIME + LATE, day=0)
    world.refresh(LATE_DAY)
    rows, served = [world.bytes_of(VIEW, day) for day in (1, 2)], world.served()
    for day in (2, 1, 1, 2, 1):
        world.refresh(day)
        assert [world.bytes_of(VIEW, day) for day in (1, 2)] == rows
        assert world.served() == served


def test_a_training_set_stays_what_it_was_when_features_are_computed_again(world: World) -> None:
    world.train(2)
    lake = world.connections.lake
    before, commit = world.bytes_of("tiny/training_set", 2), lake.commit_of("tiny/training_set")
    view, _, version = commit["feature_versions"].partition("@")
    found = lake.read("tiny/training_set").select(["row_id", "recent__mean_heat"]).to_pylist()
    learned = {row["row_id"]: row["recent__mean_heat"] for row in found}
    assert (view, sorted(learned.values(), key=str)) == (VIEW, [1.0, None, None])

    world.arrive(IN_TIME + LATE, day=0)
    world.refresh(LATE_DAY)

    assert world.bytes_of("tiny/training_set", 2) == before
    assert world.joined(int(version), int(commit["labels_version"])) == learned
    assert world.joined(lake.snapshot(VIEW).version, int(commit["labels_version"])) != learned
