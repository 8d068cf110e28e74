"""Assets of another code location as sources: two Definitions, one Dagster instance."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster import DagsterInstance
from deltalake import write_deltalake

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.loading.read import DeclarationError, read
from pipelines.triggers.run_requests import refresh_request
from resources.connections import Connections
from tests.fixtures.stages import connected
from tests.fixtures.two_pipelines import execute, location, tick

DECLARATION = """\
type: driftline.MLPipeline
attributes:
  partitions: {every: day, start: 2024-01-01, end: 2024-01-08}
  datasets:
    orders:
      source: {SOURCE}
      columns: {id: int, at: timestamp_tz, amount: float}
      event_time: at
      key: [id]
  drift: {min_rows: 100}
"""
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-08")
KEY = dg.AssetKey(["warehouse", "orders"])


def orders_of(day: str, amounts: Sequence[float]) -> pa.Table:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return pa.table(
        {
            "id": pa.array([int(day[-2:]) * 100 + n for n in range(len(amounts))], pa.int64()),
            "at": pa.array(
                [start + timedelta(hours=n) for n in range(len(amounts))], pa.timestamp("us", "UTC")
            ),
            "amount": pa.array(amounts, pa.float64()),
        }
    )


def by_day(folder: Path) -> dg.Definitions:
    """Return another team's code location: an asset of days, one Parquet file each."""

    @dg.asset(key=KEY, partitions_def=DAYS)
    def orders(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        target = folder / f"{context.partition_key}-{context.run.run_id}.parquet"
        pq.write_table(orders_of(context.partition_key, [1.0, 2.0]), target)
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(target)), "rows": 2})

    return dg.Definitions(assets=[orders])


def whole(folder: Path, tables: Sequence[pa.Table], uri: Callable[[Path], str] = str) -> dg.Definitions:
    """Return another team's code location: one Delta table, written anew by each run."""
    waiting = list(tables)

    @dg.asset(key=KEY)
    def orders() -> dg.MaterializeResult[None]:
        write_deltalake(str(folder / "orders"), waiting.pop(0), mode="overwrite")
        return dg.MaterializeResult(
            metadata={"uri": uri(folder / "orders")}, data_version=dg.DataVersion("v7")
        )

    return dg.Definitions(assets=[orders])


def make(definitions: dg.Definitions, instance: DagsterInstance, partition: str | None = None) -> None:
    assert execute(definitions, dg.RunRequest(asset_selection=[KEY], partition_key=partition), instance)


class World:
    """The reading pipeline in its own code location."""

    def __init__(self, folder: Path, source: str, instance: DagsterInstance) -> None:
        (folder / "watch").mkdir()
        (folder / "data").mkdir()
        (folder / "watch" / "defs.yaml").write_text(DECLARATION.replace("{SOURCE}", source))
        self.data, self.instance = folder / "data", instance
        self.pipeline: Pipeline = read(folder / "watch")
        self.connections: Connections = connected(folder / "home")
        self.definitions = location([self.pipeline], self.connections)
        self.cursor: str | None = None

    def tick(self) -> Sequence[dg.RunRequest]:
        found, self.cursor = tick(
            self.definitions, [self.pipeline], self.connections, self.instance, self.cursor
        )
        return found

    def read(self, day: str) -> str:
        """Read a day; return what it failed with."""
        request = refresh_request(self.pipeline, partitioning(self.pipeline.spec.partitions).window(day))
        raw = dg.AssetKey(["watch", "raw", "raw_orders"])
        if execute(self.definitions, request.with_replaced_attrs(asset_selection=[raw]), self.instance):
            return ""
        events = self.instance.all_logs(self.instance.get_runs(limit=1)[0].run_id)
        failure = next(e.dagster_event for e in events if e.dagster_event and e.dagster_event.is_step_failure)
        return str(failure.step_failure_data.error.cause.message)  # type: ignore[union-attr]

    @property
    def rows(self) -> list[tuple[object, object]]:
        read_rows = self.connections.lake.read("watch/raw/orders").to_pylist()
        return sorted((row["id"], row["amount"]) for row in read_rows)

    @property
    def facts(self) -> dict[str, object]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(["watch", "raw", "raw_orders"]))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}


PARTITIONED = '{type: asset, key: warehouse/orders, partitioned: true, data: {type: parquet, path: "{path}"}}'
WHOLE = '{type: asset, key: warehouse/orders, data: {type: delta, path: "{uri}"}}'


def test_partitions_follow_the_materializations_of_the_same_key(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    world = World(tmp_path, PARTITIONED, instance)
    theirs = by_day(world.data)
    assert world.tick() == []
    assert "knows no materialization of partition 2024-01-02 of it" in world.read("2024-01-02")
    make(theirs, instance, "2024-01-02")
    (asked,) = world.tick()
    assert asked.partition_key == "2024-01-02"
    assert world.read("2024-01-02") == ""
    assert world.rows == [(200, 1.0), (201, 2.0)]
    assert world.tick() == []
    make(theirs, instance, "2024-01-01")
    make(theirs, instance, "2024-01-02")
    assert [request.partition_key for request in world.tick()] == ["2024-01-01", "2024-01-02"]


def test_what_was_made_since_a_look_that_saw_nothing_is_read_whole(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    world = World(tmp_path, PARTITIONED, instance)
    assert world.tick() == []
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        make(by_day(world.data), instance, day)
    asked = [request.partition_key for request in world.tick()]
    assert asked == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert world.tick() == []


def test_a_first_look_takes_the_newest_of_a_history(tmp_path: Path, instance: DagsterInstance) -> None:
    world = World(tmp_path, PARTITIONED, instance)
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        make(by_day(world.data), instance, day)
    assert [request.partition_key for request in world.tick()] == ["2024-01-03"]
    assert world.tick() == []


def test_the_graph_runs_through_where_both_locations_are_loaded(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    world = World(tmp_path, PARTITIONED, instance)
    raw = dg.AssetKey(["watch", "raw", "raw_orders"])
    assert world.definitions.resolve_asset_graph().get(raw).parent_keys == {KEY}
    together = dg.Definitions.merge(world.definitions, by_day(world.data)).resolve_asset_graph()
    assert together.get(KEY).child_keys == {raw}
    assert isinstance(together.get_partition_mapping(raw, KEY), dg.TimeWindowPartitionMapping)


def test_a_whole_table_is_read_at_the_version_that_is_there(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    world = World(tmp_path, WHOLE, instance)
    first = pa.concat_tables([orders_of("2024-01-01", [1.0]), orders_of("2024-01-02", [2.0])])
    theirs = whole(world.data, [first, orders_of("2024-01-01", [5.0])], lambda path: f"file://{path}")
    make(theirs, instance)
    assert [request.partition_key for request in world.tick()] == ["2024-01-07"]
    assert world.read("2024-01-01") == ""
    assert world.rows == [(100, 1.0)]
    facts = world.facts
    assert (facts["source_version"], facts["source_data_version"]) == (0, "v7")
    assert facts["source_path"] == str(world.data / "orders")
    newest = instance.get_latest_materialization_event(KEY)
    assert newest is not None
    assert facts["source_run"] == newest.run_id
    make(theirs, instance)
    assert world.tick() != []
    assert world.read("2024-01-01") == ""
    assert world.rows == [(100, 5.0)]
    assert world.facts["source_version"] == 1
    # The newest materialization was read, whatever the partition's own state was.
    assert world.facts["source_event"] != facts["source_event"]


def recorded(instance: DagsterInstance, metadata: dict[str, object], partition: str | None = None) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(KEY, metadata=metadata, partition=partition)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        pytest.param({"url": "/x", "rows": 3}, r"has no entry 'uri' in its metadata, .* numbers: rows, url\.", id="absent"),
        pytest.param({"uri": "orders"}, r"give the path 'orders', which starts from a folder that is not known here", id="relative"),
        pytest.param({"uri": "/data/*"}, r"'/data/\*', which holds '\*'", id="pattern"),
        pytest.param({"uri": "/data/../etc"}, r"a path may not climb with '\.\.'", id="climbs"),
        pytest.param({"uri": "/nowhere/orders"}, r"no such folder", id="nothing-there"),
    ],
)  # fmt: skip
def test_what_metadata_say_is_not_trusted(
    tmp_path: Path, instance: DagsterInstance, metadata: dict[str, object], said: str
) -> None:
    world = World(tmp_path, WHOLE, instance)
    recorded(instance, metadata)
    assert re.search(said, world.read("2024-01-01"))


def test_one_partitions_data_is_not_taken_for_the_whole(tmp_path: Path, instance: DagsterInstance) -> None:
    world = World(tmp_path, WHOLE, instance)
    recorded(instance, {"uri": "/data"}, partition="2024-01-01")
    assert "is that of partition 2024-01-01, and tells where the data of that one is" in world.read(
        "2024-01-01"
    )


def test_an_unknown_key_names_the_nearest(tmp_path: Path, instance: DagsterInstance) -> None:
    world = World(tmp_path, WHOLE.replace("warehouse/orders", "warehouse/order"), instance)
    recorded(instance, {"uri": "/data"})
    assert "Did you mean 'warehouse/orders'?" in world.read("2024-01-01")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{type: asset, key: a/b, data: {type: csv, path: x.csv}}", "unknown value 'csv' for datasets.orders.source.data.type"),
        ("{type: asset, key: a//b, data: {type: delta, path: /x}}", "is 'a//b', but a key is written warehouse/orders"),
        ("{type: asset, key: a, data: {type: parquet, path: '/x/{partition}.parquet'}}", "which only 'partitioned: true' fills in"),
        ("{type: asset, key: a, partitioned: true, data: {type: delta, path: /x}}", "which is the same for all partitions"),
        ("{type: asset, key: a, data: {type: delta, path: '{uri}', version: 1, as_of: 2024-01-01}}", "has 'as_of', which is declared beside"),
        ("{type: asset, key: a, data: {type: parquet, path: '{uri}', mode: incremental}}", "has 'mode', which says nothing there"),
        ("{type: asset, key: a, data: {type: parquet, path: '{uri}', pat: x}}", "unknown key 'pat' in datasets.orders.source.data"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_when_it_loads(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "defs.yaml").write_text(DECLARATION.replace("{SOURCE}", source))
    with pytest.raises(DeclarationError) as error:
        read(tmp_path / "defs.yaml")
    assert said in str(error.value)
