"""Sensors and schedules ask for the right runs, once."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.definitions.partitions.context import partition_loading_context

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from pipelines.automation import automation
from pipelines.graph.compile import build_pipeline
from pipelines.triggers import source_changes
from pipelines.triggers.drift_sensor import drift_sensor
from pipelines.triggers.run_requests import refresh_selection
from pipelines.triggers.schedules import schedules
from pipelines.triggers.source_sensor import source_sensor
from resources.alerts.channels import Channels
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.source_type import WHOLE, Asked
from sources.types import SOURCE_TYPES
from tests.pipelines.retrain_runs import answer, report

SPEC = PipelineSpec.model_validate(
    {
        "partitions": {
            "every": "month",
            "start": "2013-01-01",
            "end": "2014-01-01",
            "timezone": "America/New_York",
        },
        "datasets": {
            "flights": {
                "source": {"type": "csv", "path": "flights.csv"},
                "columns": {"tail": "string", "at": "timestamp_tz", "late": "boolean"},
                "event_time": "at",
                "key": ["tail", "at"],
            },
            "planes": {"source": {"type": "csv", "path": "planes.csv"}, "columns": {"tail": "string"}},
        },
        "entities": {"aircraft": ["tail"]},
        "features": {"history": {"entity": "aircraft", "sql": "history.sql", "lookback": "28d"}},
        "target": {
            "dataset": "flights",
            "prediction_time": "at - INTERVAL 2 HOUR",
            "label": "late",
            "label_time": "at",
            "problem": "binary",
        },
    }
)
HISTORY = "SELECT tail, at AS event_timestamp, 1 AS n FROM flights JOIN planes USING (tail)"


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "flights.csv").write_text("tail,at,late\n")
    (tmp_path / "planes.csv").write_text("tail\n")
    return Pipeline("flights", SPEC, str(tmp_path), {"history.sql": HISTORY}, "hash")


def age(folder: Path) -> None:
    """Make files an hour old that were written just now: a sensor takes those for unfinished."""
    for path in folder.rglob("*"):
        written = path.stat().st_mtime
        if path.is_file() and written > time.time() - 120:
            os.utime(path, (written - 3600, written - 3600))


def tick(
    sensor: dg.SensorDefinition,
    instance: DagsterInstance,
    pipeline: Pipeline,
    cursor: str | None = None,
    *,
    is_settled: bool = True,
    **resources: object,
) -> object:
    if is_settled:
        age(Path(pipeline.folder))
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline), automation([pipeline]), dg.Definitions(resources=_placeholders())
    )
    with (
        dg.build_sensor_context(
            instance=instance, cursor=cursor, definitions=definitions, resources={**_storage(), **resources}
        ) as context,
        # As in the daemon, whose contexts know their instance by its reference.
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        return sensor.evaluate_tick(context)


def _placeholders() -> dict[str, object]:
    names = ("feature_store", "registry", "validation", "reports", "score_targets")
    nothing = {name: dg.ResourceDefinition.none_resource() for name in names}
    return {**nothing, **_storage(), "channels": Channels()}


def _storage() -> dict[str, object]:
    scratch = gettempdir()
    return {"lake": Lake(root=f"{scratch}/no-lake"), "engine": Engine(spill_directory=scratch)}


def test_a_report_that_asks_gets_one_retrain(pipeline: Pipeline, instance: DagsterInstance) -> None:
    report(instance, "2013-02-01", asks=False)
    report(instance, "2013-03-01", asks=True)
    requests = tick(drift_sensor([pipeline]), instance, pipeline).run_requests
    assert [request.partition_key for request in requests] == ["2013-03-01"]
    assert requests[0].asset_selection == [
        dg.AssetKey(["flights", "training_set"]),
        dg.AssetKey(["flights", "model"]),
    ]
    assert requests[0].tags["driftline/reason"] == "performance"


def test_the_cursor_moves_past_what_was_seen(pipeline: Pipeline, instance: DagsterInstance) -> None:
    sensor = drift_sensor([pipeline])
    report(instance, "2013-03-01", asks=True)
    first = tick(sensor, instance, pipeline)
    answer(instance, first.run_requests[0], dg.DagsterRunStatus.SUCCESS)
    again = tick(sensor, instance, pipeline, first.cursor)
    assert not again.run_requests
    report(instance, "2013-04-01", asks=True)
    later = tick(sensor, instance, pipeline, first.cursor)
    assert [request.partition_key for request in later.run_requests] == ["2013-04-01"]


def test_a_lost_cursor_asks_under_the_same_run_key(pipeline: Pipeline, instance: DagsterInstance) -> None:
    sensor = drift_sensor([pipeline])
    report(instance, "2013-03-01", asks=True)
    keys = {tick(sensor, instance, pipeline).run_requests[0].run_key for _ in range(2)}
    assert len(keys) == 1


def test_a_report_made_again_for_the_same_partition_is_a_new_question(
    pipeline: Pipeline, instance: DagsterInstance
) -> None:
    # Run keys are remembered for ever: a key made from the date alone would swallow the second one.
    sensor = drift_sensor([pipeline])
    report(instance, "2013-03-01", asks=True)
    first = tick(sensor, instance, pipeline)
    answer(instance, first.run_requests[0], dg.DagsterRunStatus.SUCCESS)
    report(instance, "2013-03-01", asks=True)
    second = tick(sensor, instance, pipeline, first.cursor)
    assert second.run_requests[0].run_key != first.run_requests[0].run_key


def test_another_code_locations_report_is_left_alone(pipeline: Pipeline, instance: DagsterInstance) -> None:
    report(instance, "2013-03-01", asks=True, pipeline="elsewhere")
    assert not tick(drift_sensor([pipeline]), instance, pipeline).run_requests


def evaluate_schedule(pipeline: Pipeline, instance: DagsterInstance, now: datetime) -> object:
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline), automation([pipeline]), dg.Definitions(resources=_placeholders())
    )
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=now,
        repository_def=definitions.get_repository_def(),
        resources=_storage(),
    ) as context:
        return schedules([pipeline])[0].evaluate_tick(context)


def test_a_schedule_refreshes_the_partition_that_has_just_ended(
    pipeline: Pipeline, instance: DagsterInstance
) -> None:
    # Midnight in New York on 1 March 2013 is 05:00 UTC.
    tick_data = evaluate_schedule(pipeline, instance, datetime(2013, 3, 1, 5, tzinfo=UTC))
    refreshes = [r for r in tick_data.run_requests if r.partition_key]
    assert [request.partition_key for request in refreshes] == ["2013-02-01"]
    assert refreshes[0].asset_selection == refresh_selection(pipeline)
    assert dg.AssetKey(["flights", "model"]) not in refreshes[0].asset_selection


def test_the_first_tick_reads_the_reference_tables_too(pipeline: Pipeline, instance: DagsterInstance) -> None:
    tick_data = evaluate_schedule(pipeline, instance, datetime(2013, 3, 1, 5, tzinfo=UTC))
    assert tick_data.run_requests[0].asset_selection == [
        dg.AssetKey(["flights", "raw", "raw_planes"]),
        dg.AssetKey(["flights", "profiled", "profiled_planes"]),
    ]


def test_before_the_first_partition_ends_nothing_runs(pipeline: Pipeline, instance: DagsterInstance) -> None:
    assert not evaluate_schedule(pipeline, instance, datetime(2013, 1, 15, tzinfo=UTC)).run_requests


def test_after_the_last_partition_nothing_runs_twice(pipeline: Pipeline, instance: DagsterInstance) -> None:
    now = datetime(2026, 1, 1, 5, tzinfo=UTC)
    partitions = [r.partition_key for r in evaluate_schedule(pipeline, instance, now).run_requests]
    assert partitions[-1] == "2013-12-01"
    report(instance, "2013-12-01", asks=False)
    again = evaluate_schedule(pipeline, instance, now)
    assert not [r for r in again.run_requests if r.partition_key]


def test_each_pipeline_has_a_schedule_that_says_what_it_does(pipeline: Pipeline) -> None:
    other = Pipeline("others", SPEC, pipeline.folder, pipeline.sql, "hash")
    made = schedules([pipeline, other])
    assert [one.name for one in made] == ["refresh_flights", "refresh_others"]
    assert made[0].description == (
        "Refreshes flights: the newest month that has ended, from raw data to drift report. "
        "A retrain follows where the report asks for one."
    )


def test_sensors_say_which_pipelines_they_serve(pipeline: Pipeline) -> None:
    many = [Pipeline(f"p{n:02}", SPEC, pipeline.folder, pipeline.sql, "hash") for n in range(22)]
    sensors = automation(many).sensors or ()
    assert [one.name for one in sensors] == [
        "retrain_where_reports_ask",
        "refresh_where_sources_changed",
        "alert_people",
    ]
    assert all("Serves p00, p01," in str(one.description) for one in sensors)
    assert all(str(one.description).endswith("p19 and 2 more.") for one in sensors)


def test_runs_say_what_they_are_for(pipeline: Pipeline, instance: DagsterInstance) -> None:
    report(instance, "2013-03-01", asks=True)
    (retrain,) = tick(drift_sensor([pipeline]), instance, pipeline).run_requests
    assert retrain.tags["driftline/run"] == "retrain flights as of 2013-03-01: performance"
    first, second = evaluate_schedule(pipeline, instance, datetime(2013, 3, 1, 5, tzinfo=UTC)).run_requests
    assert first.tags["driftline/run"] == "read the reference tables of flights"
    assert second.tags["driftline/run"] == "refresh flights 2013-02-01"


def test_a_changed_source_is_read_again(pipeline: Pipeline, instance: DagsterInstance) -> None:
    sensor = source_sensor([pipeline])
    first = tick(sensor, instance, pipeline)
    assert not tick(sensor, instance, pipeline, first.cursor).run_requests
    Path(pipeline.folder, "planes.csv").write_text("tail\nN1\n")
    changed = tick(sensor, instance, pipeline, first.cursor)
    assert [request.asset_selection for request in changed.run_requests] == [
        [
            dg.AssetKey(["flights", "raw", "raw_planes"]),
            dg.AssetKey(["flights", "profiled", "profiled_planes"]),
        ]
    ]
    assert set(json.loads(changed.cursor)) == {"looks", "flights/flights", "flights/planes"}


def test_a_late_file_finds_its_partition(pipeline: Pipeline, instance: DagsterInstance) -> None:
    folder = Path(pipeline.folder)
    dataset = pipeline.spec.datasets["flights"]
    source = dataset.source.model_copy(update={"path": "days/{partition}.csv", "mode": "incremental"})
    datasets = {**pipeline.spec.datasets, "flights": dataset.model_copy(update={"source": source})}
    by_file = replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))
    (folder / "days").mkdir()
    keys = [window.key for window in partitioning(by_file.spec.partitions).windows(until=datetime.now(UTC))]
    for key in (keys[0], keys[3]):
        (folder / "days" / f"{key}.csv").write_text("id\n1\n")
    sensor = source_sensor([by_file])
    # What was there before anybody looked is for the schedule.
    first = tick(sensor, instance, by_file)
    assert not tick(sensor, instance, by_file, first.cursor).run_requests
    (folder / "days" / f"{keys[1]}.csv").write_text("id\n2\n")
    (folder / "days" / f"{keys[3]}.csv").write_text("id\n1\n3\n")
    (folder / "days" / "notes.csv").write_text("of no partition\n")
    (folder / "days" / "2999-01-01.csv").write_text("of one that has not ended\n")
    second = tick(sensor, instance, by_file, first.cursor)
    assert [request.partition_key for request in second.run_requests] == [keys[1], keys[3]]
    assert not tick(sensor, instance, by_file, second.cursor).run_requests


def test_files_that_are_being_written_wait_and_are_named(
    pipeline: Pipeline, instance: DagsterInstance
) -> None:
    folder = Path(pipeline.folder)
    sensor = source_sensor([pipeline])
    first = tick(sensor, instance, pipeline)
    (folder / "planes.csv").write_text("tail\nN1\n")
    second = tick(sensor, instance, pipeline, first.cursor, is_settled=False)
    assert not second.run_requests
    assert "flights/planes waits for 1 files: planes.csv: it was written" in second.skip_message
    # It is what it was: a look at a half-written file must not make the whole one unknown.
    assert json.loads(second.cursor) == json.loads(first.cursor)
    third = tick(sensor, instance, pipeline, second.cursor)
    assert len(third.run_requests) == 1
    assert third.skip_message is None


def test_a_file_without_its_marker_is_of_no_partition_yet(
    pipeline: Pipeline, instance: DagsterInstance
) -> None:
    folder = Path(pipeline.folder)
    dataset = pipeline.spec.datasets["flights"]
    keys = {"path": "days/{partition}.csv", "mode": "incremental", "marker": "{name}.done"}
    source = dataset.source.model_copy(update=keys)
    datasets = {**pipeline.spec.datasets, "flights": dataset.model_copy(update={"source": source})}
    by_file = replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))
    (folder / "days").mkdir()
    months = [window.key for window in partitioning(by_file.spec.partitions).windows(until=datetime.now(UTC))]
    for key in months[:2]:
        (folder / "days" / f"{key}.csv").write_text("id\n1\n")
    (folder / "days" / f"{months[0]}.csv.done").touch()
    sensor = source_sensor([by_file])
    first = tick(sensor, instance, by_file)
    assert list(json.loads(first.cursor)["flights/flights"]) == [months[0]]
    second = tick(sensor, instance, by_file, first.cursor)
    assert f"waits for 1 files: {months[1]}.csv: its marker is not there" in second.skip_message
    (folder / "days" / f"{months[1]}.csv.done").touch()
    third = tick(sensor, instance, by_file, second.cursor)
    assert [request.partition_key for request in third.run_requests] == [months[1]]


def test_many_late_files_are_refreshed_look_by_look(
    pipeline: Pipeline, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.triggers.source_changes.MOST_PARTITIONS", 2)
    folder = Path(pipeline.folder)
    dataset = pipeline.spec.datasets["flights"]
    source = dataset.source.model_copy(update={"path": "days/{partition}.csv", "mode": "incremental"})
    datasets = {**pipeline.spec.datasets, "flights": dataset.model_copy(update={"source": source})}
    by_file = replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))
    (folder / "days").mkdir()
    keys = [window.key for window in partitioning(by_file.spec.partitions).windows(until=datetime.now(UTC))][
        :5
    ]
    (folder / "days" / f"{keys[0]}.csv").write_text("id\n1\n")
    sensor = source_sensor([by_file])
    cursor = tick(sensor, instance, by_file).cursor
    for key in keys:
        (folder / "days" / f"{key}.csv").write_text("id\n1\n2\n")
    asked = []
    for _ in range(4):
        look = tick(sensor, instance, by_file, cursor)
        cursor = look.cursor
        asked.append([request.partition_key for request in look.run_requests])
    assert asked == [keys[:2], keys[2:4], keys[4:], []]


def test_a_missing_source_is_no_change(pipeline: Pipeline, instance: DagsterInstance) -> None:
    Path(pipeline.folder, "planes.csv").unlink()
    cursor = tick(source_sensor([pipeline]), instance, pipeline).cursor
    assert set(json.loads(cursor)) == {"looks", "flights/flights"}


def test_partitions_that_got_rows_late_are_read_again(
    pipeline: Pipeline, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"mark": "1", "hours": [datetime(2013, 3, 31, 20, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)]}
    asked: list[str] = []

    def changes(_source: object, given: Asked, since: str) -> list[datetime]:
        assert (given.dataset, given.timezone) == (SPEC.datasets["flights"], "America/New_York")
        asked.append(since)
        return state["hours"]

    telling = replace(
        SOURCE_TYPES["csv"], marks=lambda *_: {WHOLE: state["mark"]}, look=None, changes=changes
    )
    monkeypatch.setattr(source_changes, "type_of", lambda _: telling)
    first = tick(source_sensor([pipeline]), instance, pipeline)
    state["mark"] = "2"
    again = tick(source_sensor([pipeline]), instance, pipeline, first.cursor)
    partitions = [request.partition_key for request in again.run_requests if request.partition_key]
    assert (asked, partitions) == (["1"], ["2013-03-01", "2013-12-01"])


def test_pipelines_of_different_cadence_live_side_by_side(pipeline: Pipeline) -> None:
    daily = SPEC.model_copy(
        update={"partitions": SPEC.partitions.model_copy(update={"every": "day", "timezone": "UTC"})}
    )
    other = Pipeline("others", daily, pipeline.folder, pipeline.sql, "hash")
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline),
        build_pipeline(other),
        automation([pipeline, other]),
        dg.Definitions(resources=_placeholders()),
    )
    dg.Definitions.validate_loadable(definitions)
    assert len(schedules([pipeline, other])) == 2
