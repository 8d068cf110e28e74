"""Feast's own logs of what it served are compared with the offline join as ours are."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination

from resources.feature_store.online.feast_log import FeastLog, FeastLogError, read_feast_log
from resources.feature_store.skew import FeatureSkew, SkewExample, measure_skew
from tests.fixtures.served_world import World, at
from tests.fixtures.tiny import START

PARTITIONED = pytest.mark.parametrize("partition_by", [None, ["__log_date"]], ids=["one folder", "by day"])


class Logged:
    """What Feast serves of the view to one machine after another, in its own log."""

    def __init__(self, world: World, folder: Path, partition_by: list[str] | None = None) -> None:
        self.world, self.folder = world, folder
        self.feast = world.store._store("tiny")
        destination = FileLoggingDestination(path=str(folder), partition_by=partition_by)
        view = self.feast.get_feature_view("recent")
        self.service = FeatureService(
            name="served", features=[view], logging_config=LoggingConfig(destination)
        )
        self.feast.apply([self.service])
        self.schema = FeatureServiceLoggingSource(self.service, self.feast.project).get_schema(
            self.feast.registry
        )

    def serve(self, machine: str, now: datetime) -> None:
        """Read a machine's features with Feast, and log the answer with Feast."""
        answer = self.feast.get_online_features(
            features=["recent:mean_heat", "recent:readings"],
            entity_rows=[{"machine": machine}],
            full_feature_names=True,
        ).proto
        row: dict[str, object] = {
            "machine": machine, "__log_timestamp": now, "__log_date": now.date(), "__request_id": f"{machine} {now}"
        }  # fmt: skip
        for name, vector in zip(answer.metadata.feature_names.val, answer.results, strict=True):
            if name == "machine":
                continue
            value = vector.values[0]
            kind = value.WhichOneof("val")
            row[name] = getattr(value, kind) if kind else None
            row[f"{name}__timestamp"] = vector.event_timestamps[0].ToDatetime(tzinfo=START.tzinfo)
            row[f"{name}__status"] = vector.statuses[0]
        self.feast.write_logged_features(pa.Table.from_pylist([row], self.schema), self.service)

    def skew(self, since: datetime = START) -> dict[str, FeatureSkew]:
        world = self.world
        found = measure_skew(
            world.pipeline, world.lake, world.engine, world.store, since=since, feast_log=self.folder
        )
        return {one.feature: one for one in found}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("DRIFTLINE_ONLINE_URL", f"sqlite:///{tmp_path / 'online.db'}")
    made = World(tmp_path)
    made.write(0, {"m0": 0.1 + 0.2, "m1": None, "m2": float("nan")}, created=at(0, 13))
    made.load(0)
    return made


@PARTITIONED
def test_nothing_differs_where_all_was_loaded_in_time(
    world: World, tmp_path: Path, partition_by: list[str] | None
) -> None:
    logged = Logged(world, tmp_path / "logs", partition_by)
    for day, machine in enumerate(("m0", "m1", "m2", "m9")):
        logged.serve(machine, at(1, day))
    assert {name: (one.n_compared, one.n_different) for name, one in logged.skew().items()} == {
        "mean_heat": (4, 0),
        "readings": (4, 0),
    }


def test_planted_differences_are_found_with_their_causes(world: World, tmp_path: Path) -> None:
    logged = Logged(world, tmp_path / "logs")
    logged.serve("m0", at(1))
    world.write(1, {"m0": 4.0, "m9": 2.0}, created=at(1, 13))
    logged.serve("m0", at(2))
    logged.serve("m9", at(2, 1))
    found = logged.skew()["mean_heat"]
    assert (found.n_compared, found.causes) == (3, {"older value served": 2})
    assert found.examples == (
        SkewExample({"machine": "m0"}, at(2), "0.30000000000000004", "4.0", "older value served"),
        SkewExample({"machine": "m9"}, at(2, 1), None, "2.0", "older value served"),
    )
    assert logged.skew(since=at(2, 0.5))["mean_heat"].n_compared == 1


def test_a_feature_that_some_files_lack_counts_where_it_was_served(world: World, tmp_path: Path) -> None:
    logged = Logged(world, tmp_path / "logs")
    logged.serve("m0", at(1))
    kept = ["machine", "recent__readings", "recent__readings__status", "__log_timestamp"]
    older = pa.Table.from_pylist(
        [
            {
                "machine": "m0",
                "recent__readings": 80,
                "recent__readings__status": 1,
                "__log_timestamp": at(1, 1),
            }
        ],
        pa.schema([logged.schema.field(name) for name in kept]),
    )
    pq.write_table(older, tmp_path / "logs" / "older.parquet")
    found = logged.skew()
    assert (found["mean_heat"].n_compared, found["readings"].n_compared) == (1, 2)
    assert found["readings"].n_different == 0


def test_names_that_could_be_of_two_views_are_of_the_longer() -> None:
    names = ["a__b__c", "a__b__c__status", "a__d", "a__d__status", "a__e"]
    log = FeastLog("log", dict.fromkeys(names, "DOUBLE"))
    assert (log.features("a", ["a", "a__b"]), log.features("a__b", ["a", "a__b"])) == (["d"], ["c"])
    assert log.features("a", ["a"]) == ["b__c", "d"]


def test_a_log_without_the_views_keys_is_refused() -> None:
    log = FeastLog("log", {"device": "VARCHAR", "recent__heat": "DOUBLE", "recent__heat__status": "INTEGER"})
    with pytest.raises(FeastLogError, match="features of 'recent', but no column machine: whom"):
        log.answers("recent", ["machine"], ["recent"])
    assert log.answers("other", ["machine"], ["recent", "other"]) is None


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        with pytest.raises(FeastLogError, match="holds no Parquet file"):
            read_feast_log(connection, tmp_path)
        pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
        with pytest.raises(FeastLogError, match=r"has no column __log_timestamp: .* It has: a\."):
            read_feast_log(connection, tmp_path)
        (tmp_path / "a.parquet").write_text("no parquet")
        with pytest.raises(FeastLogError, match="cannot be read as Parquet"):
            read_feast_log(connection, tmp_path / "a.parquet")


def test_instants_are_those_of_the_rows_that_were_found(world: World, tmp_path: Path) -> None:
    logged = Logged(world, tmp_path / "logs")
    logged.serve("m0", at(1))
    logged.serve("m9", at(1, 1))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        answers = read_feast_log(connection, tmp_path / "logs").answers("recent", ["machine"], ["recent"])
        rows = connection.sql(f"SELECT value_at, status FROM ({answers}) ORDER BY served_at").to_arrow_table()
    assert rows["value_at"].to_pylist() == [START + timedelta(hours=12), None]
    assert rows["status"].to_pylist() == [["present", "present"], ["not_found", "not_found"]]
