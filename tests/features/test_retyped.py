"""A feature, a label or a prediction of another type: exact in lake, registry and online store, or refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.features.asset import materialize_features
from assets.labels.asset import materialize_labels
from assets.materialization import StageRun
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.connections import Connections
from resources.lake.lake import LakeError
from tests.fixtures.stages import connected, take_in
from tests.fixtures.tiny import DECLARATION, READINGS_SQL, day_window, scope, tiny_pipeline, write_sources

HALVES = READINGS_SQL.replace("count(*) AS readings", "count(*) * 1.5 AS readings").replace(
    "FROM readings", "FROM readings WHERE machine <> 'm4'"
)
TEXTS = READINGS_SQL.replace("count(*) AS readings", "'007' AS readings")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Connections]:
    folder = tmp_path_factory.mktemp("retyped")
    write_sources(folder, n_days=3)
    pipeline = tiny_pipeline(folder)
    connections = connected(folder / "home")
    for day in range(3):
        take_in(pipeline, connections, day)
    return pipeline, connections


def refresh(pipeline: Pipeline, connections: Connections, sql: str, day: int) -> None:
    materialize_features(
        StageRun(
            replace(pipeline, sql={"recent.sql": sql}), scope(day), connections.lake, connections.engine
        ),
        "recent",
        feature_store=connections.feature_store,
    )


def read(pipeline: Pipeline, connections: Connections, machine: str, day: int) -> object:
    (found,) = connections.feature_store.read_online(
        pipeline, "recent", [{"machine": machine}], day_window(day).end
    )
    return found.values["readings"]


def test_a_count_that_becomes_a_fraction_is_exact_offline_and_online(
    ready: tuple[Pipeline, Connections],
) -> None:
    pipeline, connections = ready
    refresh(pipeline, connections, READINGS_SQL, 1)
    assert read(pipeline, connections, "m4", 1) == 80
    refresh(pipeline, connections, HALVES, 2)
    # 400 readings a day of five machines: 80, and 80 times 1.5. The view has them on the day after, of two days.
    rows = connections.lake.read("tiny/features/recent").to_pylist()
    assert {type(row["readings"]) for row in rows} == {float}
    assert {row["readings"] for row in rows} == {80.0, 120.0}
    (view,) = connections.feature_store._store("tiny").list_feature_views()
    assert {field.name: str(field.dtype) for field in view.features}["readings"] == "Float64"
    # m0 was loaded anew; of m4 the older value is there, as it was.
    assert (read(pipeline, connections, "m0", 2), read(pipeline, connections, "m4", 2)) == (120.0, 80)


def test_a_number_that_becomes_a_text_is_refused_and_nothing_changes(
    ready: tuple[Pipeline, Connections],
) -> None:
    pipeline, connections = ready
    refresh(pipeline, connections, READINGS_SQL, 1)
    before = connections.lake.snapshot("tiny/features/recent"), read(pipeline, connections, "m0", 1)
    with pytest.raises(
        LakeError,
        match=r"column 'readings' is .* in the rows that are there and string .*driftline rebuild tiny",
    ):
        refresh(pipeline, connections, TEXTS, 2)
    assert (connections.lake.snapshot("tiny/features/recent"), read(pipeline, connections, "m0", 1)) == before


def test_a_label_of_another_type_is_refused(ready: tuple[Pipeline, Connections]) -> None:
    pipeline, connections = ready
    materialize_labels(StageRun(pipeline, scope(0), connections.lake, connections.engine))
    target = {**DECLARATION["target"], "label": "machine", "problem": "multiclass"}  # type: ignore[dict-item]
    changed = replace(pipeline, spec=PipelineSpec.model_validate({**DECLARATION, "target": target}))
    with pytest.raises(LakeError, match=r"table 'tiny/labels': column 'label' is .* and string in the new"):
        materialize_labels(StageRun(changed, scope(1), connections.lake, connections.engine))
    assert connections.lake.snapshot("tiny/labels").partitions == (day_window(0).key,)


def test_labels_by_another_instant_are_refused(ready: tuple[Pipeline, Connections]) -> None:
    pipeline, connections = ready
    materialize_labels(StageRun(pipeline, scope(0), connections.lake, connections.engine))
    target = {**DECLARATION["target"], "prediction_time": "taken_at - INTERVAL 2 HOUR"}  # type: ignore[dict-item]
    changed = replace(pipeline, spec=PipelineSpec.model_validate({**DECLARATION, "target": target}))
    with pytest.raises(
        LakeError, match=r"'tiny/labels' is cut every day \(timezone UTC, by taken_at\), and would now"
    ):
        materialize_labels(StageRun(changed, scope(1), connections.lake, connections.engine))


@pytest.mark.parametrize("was", ["raw", "profiled"])
def test_a_dataset_of_another_type_is_refused_or_widened(tmp_path: Path, was: str) -> None:
    write_sources(tmp_path, n_days=2)
    pipeline = tiny_pipeline(tmp_path)
    connections = connected(tmp_path / "home")

    def make(kind: str, day: int) -> None:
        readings = DECLARATION["datasets"]["readings"]  # type: ignore[index]
        columns = {**readings["columns"], "id": kind}
        datasets = {"readings": {**readings, "columns": columns}}
        spec = PipelineSpec.model_validate(
            {**DECLARATION, "datasets": {**DECLARATION["datasets"], **datasets}}
        )  # type: ignore[dict-item]
        changed = replace(pipeline, spec=spec)
        materialize_raw(StageRun(changed, scope(day), connections.lake, connections.engine), "readings")
        if was == "profiled":
            materialize_profiled(
                StageRun(changed, scope(day), connections.lake, connections.engine),
                "readings",
                validation=connections.validation,
            )

    make("int", 0)
    with pytest.raises(
        LakeError, match=r"table 'tiny/raw/readings': column 'id' is int64 .* and string in the new"
    ):
        make("string", 1)
    make("float", 1)
    table = connections.lake.read(f"tiny/{was}/readings")
    assert sorted(table["id"].to_pylist()) == [float(number) for number in range(800)]
