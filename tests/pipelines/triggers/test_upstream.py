"""Pipelines that read what another pipeline accepted: lineage, refreshes that follow it, pinned versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.triggers.run_requests import RUN_TAG, reference_request, refresh_request
from resources.connections import Connections
from tests.fixtures.stages import connected
from tests.fixtures.two_pipelines import SHOP, WATCH, both, execute, location, tick, write_both, write_orders

DAY_1, DAY_2, DAY_3 = "2024-01-01", "2024-01-02", "2024-01-03"


@dataclass
class World:
    """Both pipelines in one code location, with a sensor that remembers."""

    folder: Path
    shop: Pipeline
    watch: Pipeline
    connections: Connections
    instance: DagsterInstance
    cursor: str | None = field(default=None)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return location([self.shop, self.watch], self.connections)

    def run(self, pipeline: Pipeline, day: str) -> bool:
        window = partitioning(pipeline.spec.partitions).window(day)
        return self.read(refresh_request(pipeline, window))

    def read(self, request: dg.RunRequest) -> bool:
        """Run what a request reads: reports cost most, and say nothing of that."""
        read = [key for key in request.asset_selection or () if key.path[1] in ("raw", "profiled")]
        return execute(self.definitions, request.with_replaced_attrs(asset_selection=read), self.instance)

    def tick(self) -> list[dg.RunRequest]:
        """Look, and return what is asked for the reading pipeline."""
        pipelines = [self.shop, self.watch]
        asked, self.cursor = tick(self.definitions, pipelines, self.connections, self.instance, self.cursor)
        return [r for r in asked if r.tags["driftline/pipeline"] == self.watch.name]

    def rows(self, table: str) -> list[dict[str, object]]:
        read = self.connections.lake.read(table)
        return sorted(read.to_pylist(), key=lambda row: str(row["id"]))

    def metadata(self, key: Sequence[str]) -> dict[str, object]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(key))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def failure(self) -> str:
        """Return what the newest run failed with."""
        run = self.instance.get_runs(limit=1)[0]
        events = [
            e
            for e in self.instance.all_logs(run.run_id)
            if e.dagster_event and e.dagster_event.is_step_failure
        ]
        return str(events[0].dagster_event.step_failure_data.error.cause.message)  # type: ignore[union-attr]


def world_of(folder: Path, instance: DagsterInstance, *, watch: str = WATCH) -> World:
    write_both(folder, watch=watch)
    shop, reading = both(folder)
    world = World(folder, shop, reading, connected(folder / "home"), instance)
    assert execute(world.definitions, reference_request(shop), instance)
    return world


@pytest.fixture
def world(tmp_path: Path, instance: DagsterInstance) -> World:
    return world_of(tmp_path, instance)


def labels(requests: Sequence[dg.RunRequest]) -> list[str]:
    return [request.tags[RUN_TAG] for request in requests]


def test_the_raw_asset_depends_on_the_accepted_rows_of_the_other_pipeline(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    raw = dg.AssetKey(["orders_watch", "raw", "raw_paid"])
    accepted = dg.AssetKey(["shop", "profiled", "profiled_orders"])
    assert graph.get(raw).parent_keys == {accepted}
    # The same partition, and no other.
    mapping = graph.get_partition_mapping(raw, accepted)
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (0, 0)
    countries = dg.AssetKey(["orders_watch", "raw", "raw_countries"])
    assert graph.get(countries).parent_keys == {dg.AssetKey(["shop", "profiled", "profiled_customers"])}


def test_a_refresh_follows_the_upstreams_materialization(world: World) -> None:
    # Reference tables are there before the first look, orders are not.
    assert labels(world.tick()) == ["read the reference tables of orders_watch"]
    assert world.tick() == []
    write_orders(world.folder, DAY_1, [10.0, 20.0, -1.0])
    assert world.run(world.shop, DAY_1)
    (asked,) = world.tick()
    assert asked.partition_key == DAY_1
    assert execute(world.definitions, reference_request(world.watch), world.instance)
    assert execute(world.definitions, asked, world.instance)
    # The quarantined order is none that was accepted; the amount has its name here.
    assert [(row["id"], row["sum"]) for row in world.rows("orders_watch/profiled/paid")] == [
        (0, 10.0),
        (1, 20.0),
    ]
    assert world.tick() == []
    # Two more days at once, and the first one corrected: each once, the oldest first.
    write_orders(world.folder, DAY_2, [5.0], first=10)
    write_orders(world.folder, DAY_3, [6.0], first=20)
    write_orders(world.folder, DAY_1, [10.0, 21.0, -1.0])
    assert all(world.run(world.shop, day) for day in (DAY_3, DAY_2, DAY_1))
    requests = world.tick()
    assert [request.partition_key for request in requests] == [DAY_1, DAY_2, DAY_3]
    assert all(world.read(request) for request in requests)
    assert [(row["id"], row["sum"]) for row in world.rows("orders_watch/raw/paid")] == [
        (0, 10.0), (1, 21.0), (10, 5.0), (20, 6.0),
    ]  # fmt: skip
    # What is made again with the same content asks for nothing.
    assert world.run(world.shop, DAY_2)
    assert world.tick() == []


def test_all_that_was_accepted_since_a_look_that_saw_nothing_is_read(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    write_both(tmp_path)
    shop, watch = both(tmp_path)
    world = World(tmp_path, shop, watch, connected(tmp_path / "home"), instance)
    # Nothing was accepted of any dataset yet.
    assert world.tick() == []
    write_orders(world.folder, DAY_1, [10.0])
    write_orders(world.folder, DAY_2, [11.0], first=10)
    assert world.run(shop, DAY_1)
    assert world.run(shop, DAY_2)
    assert [request.partition_key for request in world.tick()] == [DAY_1, DAY_2]


def test_the_version_that_was_read_is_recorded(world: World) -> None:
    write_orders(world.folder, DAY_1, [10.0])
    assert world.run(world.shop, DAY_1)
    assert world.run(world.watch, DAY_1)
    facts = world.metadata(["orders_watch", "raw", "raw_paid"])
    version = world.connections.lake.snapshot("shop/profiled/orders").version
    assert (facts["source_version"], facts["reads"]) == (version, f"shop/profiled/orders@{version}")
    before = facts["source_sha256"]
    # Another day changes the table's version, and not what this partition was read from.
    write_orders(world.folder, DAY_2, [11.0], first=10)
    assert world.run(world.shop, DAY_2)
    assert world.run(world.watch, DAY_1)
    again = world.metadata(["orders_watch", "raw", "raw_paid"])
    assert again["source_version"] == version + 1
    assert again["source_sha256"] == before


def test_a_declared_version_is_read_again_whatever_came_after(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    world = world_of(tmp_path, instance)
    write_orders(world.folder, DAY_1, [10.0])
    assert world.run(world.shop, DAY_1)
    version = world.connections.lake.snapshot("shop/profiled/orders").version
    write_orders(world.folder, DAY_1, [99.0])
    write_orders(world.folder, DAY_2, [99.0], first=10)
    assert world.run(world.shop, DAY_1)
    assert world.run(world.shop, DAY_2)
    text = WATCH.replace("dataset: orders}", f"dataset: orders, version: {version}}}")
    write_both(tmp_path, watch=text)
    world = replace(world, watch=both(tmp_path)[1])
    assert world.run(world.watch, DAY_1)
    assert [row["sum"] for row in world.rows("orders_watch/raw/paid")] == [10.0]
    # Of an older version nothing tells whether a partition without rows was there.
    assert not world.run(world.watch, DAY_2)
    assert "partition 2024-01-02 is not there yet" in world.failure()


def test_a_partition_that_is_not_there_is_refused_and_an_empty_one_is_read(world: World) -> None:
    assert not world.run(world.watch, DAY_1)
    assert "dataset orders of pipeline shop has no accepted rows in the lake yet" in world.failure()
    write_orders(world.folder, DAY_1, [1.0])
    assert world.run(world.shop, DAY_1)
    assert not world.run(world.watch, DAY_2)
    assert "driftline run shop --partition 2024-01-02" in world.failure()
    # All of its rows are quarantined: it was accepted, and has none.
    write_orders(world.folder, DAY_2, [-1.0, -2.0], first=10)
    assert world.run(world.shop, DAY_2)
    window = partitioning(world.watch.spec.partitions).window(DAY_2)
    raw = [dg.AssetKey(["orders_watch", "raw", "raw_paid"])]
    request = refresh_request(world.watch, window).with_replaced_attrs(asset_selection=raw)
    assert execute(world.definitions, request, world.instance)
    assert world.metadata(raw[0].path)["n_rows"] == 0


def test_what_a_blocking_expectation_refused_is_not_read(world: World) -> None:
    write_orders(world.folder, DAY_1, [1.0])
    path = world.folder / "shop" / "orders" / f"{DAY_1}.csv"
    path.write_text(path.read_text().replace(",a\n", ",\n"))
    assert not world.run(world.shop, DAY_1)
    assert not world.run(world.watch, DAY_1)
    assert [request for request in world.tick() if request.partition_key] == []


WEEKLY = WATCH.replace(
    "every: day, start: 2024-01-01, end: 2024-01-08", "every: week, start: 2023-12-31, end: 2024-01-14"
).replace("start: 2024-01-01", "start: 2023-12-31")


@pytest.mark.long
def test_partitions_of_another_length_wait_for_all_that_they_need(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    longer = SHOP.replace("start: 2024-01-01, end: 2024-01-08", "start: 2023-12-31, end: 2024-01-08")
    write_both(tmp_path, shop=longer, watch=WEEKLY)
    shop, watch = both(tmp_path)
    world = World(tmp_path, shop, watch, connected(tmp_path / "home"), instance)
    days = ["2023-12-31", *(f"2024-01-0{n}" for n in range(1, 7))]
    for number, day in enumerate(days[:-1]):
        write_orders(tmp_path, day, [1.0 * number], first=100 * number)
        assert world.run(shop, day)
    assert [r for r in world.tick() if r.partition_key] == []
    assert not world.run(watch, "2023-12-31")
    assert "partition 2024-01-06 is not there yet" in world.failure()
    write_orders(tmp_path, days[-1], [9.0], first=900)
    assert world.run(shop, days[-1])
    (asked,) = [r for r in world.tick() if r.partition_key]
    assert asked.partition_key == "2023-12-31"
    assert execute(world.definitions, asked, instance)
    assert [row["sum"] for row in world.rows("orders_watch/raw/paid")] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0]
    # A day of the second week changes nothing of the first.
    write_orders(tmp_path, "2024-01-07", [3.0], first=1000)
    assert world.run(shop, "2024-01-07")
    assert [r for r in world.tick() if r.partition_key] == []


@pytest.mark.long
def test_another_event_time_reads_the_whole(tmp_path: Path, instance: DagsterInstance) -> None:
    by_other = WATCH.replace(
        "columns: {id: int, at: timestamp_tz, sum: {type: float, source: amount}}\n      event_time: at",
        "columns: {id: int, at: timestamp_tz, seen: {type: timestamp_tz, sql: '\"at\" + INTERVAL 1 DAY'}}\n      event_time: seen",
    )
    world = world_of(tmp_path, instance, watch=by_other)
    for number, day in enumerate((DAY_1, DAY_2)):
        write_orders(tmp_path, day, [1.0], first=10 * number)
        assert world.run(world.shop, day)
    assert world.run(world.watch, DAY_2)
    assert [row["id"] for row in world.rows("orders_watch/raw/paid")] == [0]
    # Any of its partitions may hold rows of any here: the source has one mark.
    world.tick()
    assert list(json.loads(world.cursor or "{}")["orders_watch/paid"]) == [""]
