"""A home of an earlier version keeps its past under the names of today."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
)

from declaration.pipeline import Pipeline
from driftline.dev.renames import carry_over
from pipelines.graph.trained_partitions import trained_partitions_name
from tests.pipelines.test_automation import HISTORY, SPEC

OLD, NEW = dg.AssetKey(["flights", "raw", "flights"]), dg.AssetKey(["flights", "raw", "raw_flights"])


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def pipeline(name: str = "flights", **datasets: str) -> Pipeline:
    known = {**SPEC.datasets, **{new: SPEC.datasets[old] for new, old in datasets.items()}}
    return Pipeline(
        name, SPEC.model_copy(update={"datasets": known}), "/nowhere", {"history.sql": HISTORY}, "hash"
    )


def materialized(
    instance: DagsterInstance, *path: str, n_rows: int = 1, partition: str = "2013-01-01"
) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey(["flights", *path]),
            partition=partition,
            metadata={"n_rows": n_rows},
            tags={"dagster/data_version": f"v{n_rows}"},
        )
    )


def test_materializations_move_with_their_time(instance: DagsterInstance) -> None:
    for n_rows, partition in enumerate(("2013-01-01", "2013-02-01", "2013-01-01")):
        materialized(instance, "raw", "flights", n_rows=n_rows, partition=partition)
    before = instance.fetch_materializations(OLD, limit=10).records
    for _ in range(2):  # Done again, it changes nothing.
        carry_over(instance, [pipeline()])
        after = instance.fetch_materializations(NEW, limit=10).records
        assert [one.timestamp for one in after] == [one.timestamp for one in before]
        assert [one.partition_key for one in after] == ["2013-01-01", "2013-02-01", "2013-01-01"]
        newest = after[0].asset_materialization
        assert newest is not None
        assert newest.metadata["n_rows"].value == 2
        assert newest.tags["dagster/data_version"] == "v2"
        assert instance.get_materialized_partitions(NEW) == {"2013-01-01", "2013-02-01"}
        assert OLD not in instance.get_asset_keys()


def test_an_interrupted_move_goes_on(instance: DagsterInstance) -> None:
    materialized(instance, "raw", "flights")
    kept = instance.fetch_materializations(OLD, limit=1).records[0].event_log_entry
    carry_over(instance, [pipeline()])
    instance.event_log_storage.store_event(kept)  # As if it had not been forgotten yet.
    carry_over(instance, [pipeline()])
    assert len(instance.fetch_materializations(NEW, limit=10).records) == 1


def test_a_key_that_another_dataset_has_now_stays(instance: DagsterInstance) -> None:
    # Dataset `raw_flights` was raw/raw_flights, which is the key of `flights` now.
    materialized(instance, "raw", "raw_flights")
    carry_over(instance, [pipeline(raw_flights="flights")])
    assert len(instance.fetch_materializations(NEW, limit=10).records) == 1


def test_partitions_that_were_trained_are_known(instance: DagsterInstance) -> None:
    materialized(instance, "training_set", partition="2013-03-01")
    materialized(instance, "model", partition="2013-03-01")
    materialized(instance, "training_set", partition="2013-04-01")
    carry_over(instance, [pipeline()])
    known = instance.get_dynamic_partitions(trained_partitions_name("flights"))
    assert known == ["2013-03-01", "2013-04-01"]


def state(name: str, kind: InstigatorType, status: InstigatorStatus, data: object) -> InstigatorState:
    location = RegisteredCodeLocationOrigin("driftline")
    origin = RemoteInstigatorOrigin(
        repository_origin=RemoteRepositoryOrigin(location, "__repository__"), instigator_name=name
    )
    return InstigatorState(origin, kind, status, data)  # type: ignore[arg-type]  # One of the two kinds.


def test_what_was_on_is_on_and_goes_on_where_it_was(instance: DagsterInstance) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=100)).timestamp()
    running, stopped = InstigatorStatus.RUNNING, InstigatorStatus.STOPPED
    old = "refresh_0_0_1_x_x_America_New_York"
    instance.add_instigator_state(
        state(old, InstigatorType.SCHEDULE, running, ScheduleInstigatorData("0 0 1 * *", long_ago))
    )
    instance.add_instigator_state(
        state("drift_sensor", InstigatorType.SENSOR, stopped, SensorInstigatorData(cursor="17"))
    )
    instance.add_instigator_state(
        state("somebody_elses", InstigatorType.SENSOR, running, SensorInstigatorData(cursor="3"))
    )
    carry_over(instance, [pipeline(), pipeline("others")])
    found = {one.instigator_name: one for one in instance.all_instigator_state()}
    assert found.keys() == {
        "refresh_flights",
        "refresh_others",
        "retrain_where_reports_ask",
        "somebody_elses",
    }
    assert found["refresh_flights"].status is running
    # Months that went by are not made up for.
    assert found["refresh_flights"].instigator_data.start_timestamp > long_ago + 1  # type: ignore[union-attr,operator]
    assert found["retrain_where_reports_ask"].status is stopped
    assert found["retrain_where_reports_ask"].instigator_data.cursor == "17"  # type: ignore[union-attr]
