"""Lineage of the shipped pipelines, as a person reads it from their SQL, and from asset to asset."""

from functools import cache
from pathlib import Path

import pytest

from declaration.pipeline import Pipeline
from pipelines.asset_keys import asset_key
from pipelines.graph.stages import stages
from pipelines.lineage import Lineage, Node, declared_lineage
from pipelines.lineage.models import versions_that_read, with_models
from pipelines.lineage.table_columns import LINEAGE, SCHEMA, column_metadata
from pipelines.loading.read import read
from tests.fixtures.tiny import tiny_pipeline

DEFS = Path(__file__).parents[3] / "pipelines" / "defs"


@cache
def shipped(name: str) -> tuple[Pipeline, Lineage]:
    pipeline = read(DEFS / name)
    return pipeline, declared_lineage(pipeline)


def datasets_behind(lineage: Lineage, node: Node) -> str:
    reached = lineage.without_rows().reach([node], "up")
    return " ".join(sorted(one.label for one in reached if one.stage == "dataset"))


# Read from features/*.sql, labelled_payments.sql and the target of the declarations.
@pytest.mark.parametrize(
    ("pipeline", "node", "expected"),
    [
        ("card_fraud", Node("features", "spending", "ratio_to_mean"), "transactions.amount transactions.paid_at transactions.user_id"),
        ("card_fraud", Node("features", "velocity", "payments_1h"), "transactions.* transactions.paid_at transactions.user_id"),
        ("card_fraud", Node("features", "movement", "hours_since_last"), "transactions.paid_at transactions.user_id"),
        ("card_fraud", Node("features", "movement", "speed_kmh"), "transactions.latitude transactions.longitude transactions.paid_at transactions.user_id"),
        ("card_fraud", Node("labels", "labels", "label"), "chargebacks.reported_at"),
        ("card_fraud", Node("labels", "labels", "label_time"), "chargebacks.reported_at transactions.paid_at"),
        ("card_fraud", Node("training_set", "training_set", "request__log_amount"), "transactions.amount"),
        ("flight_delays", Node("features", "airport_weather", "humidity"), "weather.humid"),
        ("flight_delays", Node("features", "airport_weather", "rain_inches_6h"), "weather.origin weather.precip weather.time_hour"),
        ("flight_delays", Node("query", "flight_times", "actual_departure"), "flights.dep_delay flights.scheduled_departure"),
        ("flight_delays", Node("query", "flight_times", "actual_arrival"), "airports.tzone flights.arr_delay "
         "flights.sched_arr_time flights.scheduled_departure"),
        ("flight_delays", Node("features", "aircraft_history", "minutes_behind"), "flights.arr_delay flights.dep_delay"),
        ("flight_delays", Node("labels", "labels", "label"), "flights.arr_delay"),
        ("flight_delays", Node("predictions", "predictions", "request__distance"), "flights.distance"),
    ],
)  # fmt: skip
def test_a_shipped_feature_comes_from_the_columns_that_its_sql_names(
    pipeline: str, node: Node, expected: str
) -> None:
    assert datasets_behind(shipped(pipeline)[1], node) == expected


@pytest.mark.parametrize("name", ["card_fraud", "flight_delays"])
def test_every_shipped_query_can_be_followed(name: str) -> None:
    assert shipped(name)[1].unresolved == {}


def test_a_computed_column_comes_from_the_sources_columns_it_names() -> None:
    up = shipped("flight_delays")[1].reach([Node("dataset", "flights", "scheduled_departure")], "up", 1)
    assert {node.column for node in up if node.stage == "source"} == {"time_hour", "minute"}


def test_depth_counts_steps() -> None:
    lineage = shipped("card_fraud")[1].without_rows()
    amount = Node("dataset", "transactions", "amount")
    near, far = lineage.reach([amount], "down", 1), lineage.reach([amount], "down")
    assert {node.label for node in near} == {
        "transactions.amount", "spending.ratio_to_mean", "velocity.amount_24h", "labelled_payments.amount",
    }  # fmt: skip
    assert far[Node("predictions", "predictions", "score")] == 3
    assert all(far[node] == steps for node, steps in near.items())


def test_model_versions_are_those_whose_columns_a_dataset_column_reaches() -> None:
    lineage = shipped("card_fraud")[1]
    read_by = {1: ["spending__ratio_to_mean"], 2: ["movement__speed_kmh"], 10: ["request__log_amount"]}
    registered = with_models(lineage, read_by, champion=2)
    assert versions_that_read(registered, Node("dataset", "transactions", "amount")) == (
        "version 1",
        "version 10",
    )
    assert versions_that_read(registered, Node("dataset", "transactions", "latitude")) == ("version 2",)
    above_score = registered.reach([Node("predictions", "predictions", "score")], "up", 1)
    assert {node.column for node in above_score if node.stage == "model"} == {"version 2"}


def test_what_cannot_be_followed_is_said_and_only_its_tables_are_known(tmp_path: Path) -> None:
    tiny = tiny_pipeline(tmp_path)
    sql = "SELECT machine, taken_at AS event_timestamp, columns('heat|load') FROM readings"
    unclear = Pipeline(tiny.name, tiny.spec, tiny.folder, {**tiny.sql, "recent.sql": sql}, "changed")
    lineage = declared_lineage(unclear)
    assert "COLUMNS" in lineage.unresolved["recent"]
    behind = {edge for edge in lineage.edges if edge.downstream == Node("features", "recent", "heat")}
    assert {(edge.upstream.label, edge.kind) for edge in behind} == {("readings.*", "unresolved")}


def test_dagsters_column_lineage_leads_from_asset_to_asset() -> None:
    pipeline, lineage = shipped("flight_delays")
    seen = {}
    for stage in stages(pipeline):
        metadata = column_metadata(pipeline, stage.path, stage.deps, lambda: lineage)
        if not metadata:
            continue
        found = metadata[LINEAGE].deps_by_column  # type: ignore[union-attr]
        assert [one.name for one in metadata[SCHEMA].columns] == list(found)  # type: ignore[union-attr]
        keys = {asset_key(pipeline.name, path).to_user_string() for path in stage.deps}
        for column, deps in found.items():
            assert {one.asset_key.to_user_string() for one in deps} <= keys
            seen["/".join(stage.path), column] = {(one.asset_key.path[-1], one.column_name) for one in deps}
    assert seen["raw/weather", "humid"] == set()
    assert seen["profiled/weather", "humid"] == {("raw_weather", "humid")}
    assert seen["features/airport_weather", "humidity"] == {("profiled_weather", "humid")}
    # Through the named query flight_times, which is no asset.
    assert seen["labels", "label"] == {("profiled_flights", "arr_delay")}
    assert seen["training_set", "airport_weather__humidity"] == {("airport_weather", "humidity")}
    assert ("airport_weather", "humidity") in seen["predictions", "score"]
