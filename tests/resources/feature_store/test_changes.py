"""A change of definition is told before it happens, and takes nothing from the champion unasked."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from assets.features.asset import materialize_features
from assets.materialization import StageRun
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from driftline.features.plan import apply_features, plan_features, told
from resources.connections import Connections
from resources.feature_store.changes import ViewShape, changes_between
from resources.feature_store.guard import ACCEPTED_CHANGES, FeatureChangeError
from resources.model_registry.ledger import Decision, write_decision
from resources.model_registry.registry import UNNUMBERED
from resources.model_registry.version import ModelVersion
from tests.fixtures.stages import connected, take_in
from tests.fixtures.tiny import DECLARATION, READINGS_SQL, day_window, scope, tiny_pipeline, write_sources

NOW = datetime(2024, 2, 1, tzinfo=UTC)
SHAPE = ViewShape({"heat": "Float64", "n": "Int64"}, {"machine": "String"}, timedelta(days=3), "/lake/recent")


def kinds(after: ViewShape) -> list[tuple[str, str, tuple[str, ...]]]:
    found = changes_between({"recent": SHAPE}, {"recent": after})
    return [(change.kind, change.feature, change.lost) for change in found]


def test_each_kind_of_change_is_told_with_what_it_takes() -> None:
    assert kinds(SHAPE) == []
    assert kinds(replace(SHAPE, features={"heat": "Float64", "n": "Int64", "peak": "Float64"})) == [
        ("add feature", "peak", ())
    ]
    assert kinds(replace(SHAPE, features={"heat": "Float64"})) == [("remove feature", "n", ("recent__n",))]
    assert kinds(replace(SHAPE, features={"heat": "Float64", "n": "Float64"})) == [
        ("retype feature", "n", ("recent__n",))
    ]
    assert kinds(replace(SHAPE, features={"warmth": "Float64", "n": "Int64"})) == [
        ("rename feature", "heat", ("recent__heat",))
    ]
    # Of another type it is no new name.
    assert kinds(replace(SHAPE, features={"warmth": "String", "n": "Int64"})) == [
        ("remove feature", "heat", ("recent__heat",)),
        ("add feature", "warmth", ()),
    ]
    assert kinds(replace(SHAPE, keys={"site": "String"})) == [
        ("change keys", "", ("recent__heat", "recent__n"))
    ]
    assert kinds(replace(SHAPE, ttl=timedelta(0))) == [("change ttl", "", ())]
    (gone,) = changes_between({"recent": SHAPE}, {})
    assert (gone.kind, gone.lost) == ("remove view", ("recent__heat", "recent__n"))
    (new,) = changes_between({}, {"recent": SHAPE})
    assert (new.kind, new.lost, str(new)) == ("add view", (), "add view recent (heat, n)")


@pytest.fixture
def ready(tmp_path: Path) -> tuple[Pipeline, Connections]:
    """A pipeline whose view has one partition, and whose champion reads `recent__mean_heat`."""
    write_sources(tmp_path, n_days=2)
    pipeline = tiny_pipeline(tmp_path)
    connections = connected(tmp_path / "home")
    for day in range(2):
        take_in(pipeline, connections, day)
    refresh(pipeline, connections)
    digest = sha256(b"model").hexdigest()
    model = ModelVersion(
        version=UNNUMBERED, algorithm="logistic_regression", training_partition="2024-01-02",
        training_table_version=0, metric="roc_auc", holdout_metric=0.7, holdout_low=0.6, holdout_high=0.8,
        holdout_start=NOW, feature_names=("recent__mean_heat", "request__load"),
        importances={"recent__mean_heat": 0.5, "request__load": 0.5}, n_training_rows=10, artifact_sha256=digest,
        registered_at=NOW,
    )  # fmt: skip
    connections.registry.register("tiny", model, b"model", training_key="k", params={}, metrics={}, tags={})
    decision = Decision(
        instant=NOW, partition="2024-01-02", actor="gate", action="promoted", version=1, champion_before=None,
        champion_after=1, reason="first", gate_report="{}", run_id="", artifact_sha256=digest, decision_key="d",
    )  # fmt: skip
    write_decision(connections.lake, "tiny", lambda _: decision, commit={})
    return pipeline, connections


def refresh(pipeline: Pipeline, connections: Connections) -> None:
    materialize_features(
        StageRun(pipeline, scope(1), connections.lake, connections.engine),
        "recent",
        feature_store=connections.feature_store,
    )


def with_sql(pipeline: Pipeline, old: str, new: str) -> Pipeline:
    assert old in READINGS_SQL
    return replace(pipeline, sql={"recent.sql": READINGS_SQL.replace(old, new)})


def without_views(pipeline: Pipeline) -> Pipeline:
    return replace(pipeline, spec=PipelineSpec.model_validate({**DECLARATION, "features": {}}))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def online_tables(connections: Connections) -> set[str]:
    connection = sqlite3.connect(connections.feature_store.online_path)
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in found}


def test_a_plan_writes_nothing_and_says_when_nothing_changes(
    ready: tuple[Pipeline, Connections], tmp_path: Path
) -> None:
    pipeline, to = ready
    before = digests(tmp_path)
    assert told(plan_features(pipeline, to)) == "No changes: what is registered is what is declared."
    plan = plan_features(without_views(pipeline), to)
    assert [str(change) for change in plan.registry] == ["remove view recent (mean_heat, readings)"]
    assert plan.loss is not None
    assert (plan.loss.champion, list(plan.loss.changes)) == (1, ["recent__mean_heat"])
    assert "Champion 1 reads what would be lost: recent__mean_heat." in told(plan)
    assert digests(tmp_path) == before


def test_a_plan_of_a_home_without_registry_makes_none(
    ready: tuple[Pipeline, Connections], tmp_path: Path
) -> None:
    pipeline, connections = ready
    elsewhere = connections.feature_store.model_copy(
        update={"registry_url": f"sqlite:///{tmp_path / 'none' / 'registry.db'}"}
    )
    assert [change.kind for change in elsewhere.planned(pipeline, connections.lake)] == ["add view"]
    assert not (tmp_path / "none").exists()


def test_a_view_that_the_champion_reads_leaves_only_by_force(ready: tuple[Pipeline, Connections]) -> None:
    pipeline, connections = ready
    less = without_views(pipeline)
    for refused in (
        lambda: connections.feature_store.apply(less, connections.lake),
        lambda: apply_features(less, connections, force=False, actor="eva", clock=NOW),
    ):
        with pytest.raises(
            FeatureChangeError, match=r"champion 1 of 'tiny' reads recent__mean_heat.*--force"
        ):
            refused()
    assert "tiny_recent" in online_tables(connections)
    apply_features(less, connections, force=True, actor="eva", clock=NOW)
    assert "tiny_recent" not in online_tables(connections)
    (accepted,) = connections.lake.read(ACCEPTED_CHANGES.of("tiny")).to_pylist()
    assert (accepted["actor"], accepted["champion"], accepted["column"]) == ("eva", 1, "recent__mean_heat")


def test_a_column_that_the_champion_reads_does_not_become_null_in_silence(
    ready: tuple[Pipeline, Connections],
) -> None:
    pipeline, connections = ready
    version = connections.lake.snapshot("tiny/features/recent").version
    renamed = with_sql(pipeline, "AS mean_heat", "AS warmth")
    retyped = with_sql(pipeline, "avg(heat) AS mean_heat", "avg(heat)::VARCHAR AS mean_heat")
    for changed, kind in ((renamed, "rename feature"), (retyped, "retype feature")):
        plan = plan_features(changed, connections)
        assert (plan.registry, [change.kind for change in plan.sql]) == ((), [kind])
        with pytest.raises(FeatureChangeError, match=f"{kind} recent.mean_heat"):
            refresh(changed, connections)
    assert connections.lake.snapshot("tiny/features/recent").version == version
    apply_features(renamed, connections, force=True, actor="eva", clock=NOW)
    refresh(renamed, connections)
    (view,) = connections.feature_store._store("tiny").list_feature_views()
    # The table keeps the column, for the partitions that have it.
    assert {field.name for field in view.features} == {"mean_heat", "warmth", "readings"}


def test_what_the_champion_does_not_read_may_go_and_new_features_may_come(
    ready: tuple[Pipeline, Connections],
) -> None:
    pipeline, connections = ready
    changed = with_sql(pipeline, "count(*) AS readings", "max(heat) AS peak, min(heat) AS low")
    plan = plan_features(changed, connections)
    assert [str(change) for change in plan.sql] == [
        "remove feature recent.readings (Int64)",
        "add feature recent.low (Float64)",
        "add feature recent.peak (Float64)",
    ]
    assert plan.loss is None
    refresh(changed, connections)
    (found,) = connections.feature_store.read_online(
        changed, "recent", [{"machine": "m0"}], day_window(2).start
    )
    assert found.status["peak"] == "present"


def test_a_view_whose_sql_fails_is_named(ready: tuple[Pipeline, Connections]) -> None:
    pipeline, to = ready
    plan = plan_features(with_sql(pipeline, "avg(heat)", "avg(heet)"), to)
    assert len(plan.unread) == 1
    assert "recent.sql" in told(plan)


def test_an_arrow_table_of_other_columns_is_judged_like_the_sql(ready: tuple[Pipeline, Connections]) -> None:
    pipeline, connections = ready
    schema = connections.lake.snapshot("tiny/features/recent").schema
    connections.feature_store.refuse_columns(pipeline, "recent", schema, connections.lake)
    without = pa.schema([field for field in schema if field.name != "mean_heat"])
    with pytest.raises(FeatureChangeError, match=r"remove feature recent\.mean_heat"):
        connections.feature_store.refuse_columns(pipeline, "recent", without, connections.lake)
