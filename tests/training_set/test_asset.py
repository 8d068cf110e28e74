"""A training set holds what was known as of its partition's end, and says which versions it read."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from assets import turns
from assets.features.asset import materialize_features
from assets.labels.asset import materialize_labels
from assets.materialization import StageRun
from assets.training_set import asset as training_set_asset
from assets.training_set.asset import materialize_training_set
from assets.training_set.selection import TrainingSetError, training_windows
from declaration.pipeline import Pipeline
from declaration.sampling import SampleSpec
from feature_repo import asof_engine
from feature_repo.asof_newest import Block, CodedLabels
from resources.connections import Connections
from tests.fixtures.stages import connected, take_in
from tests.fixtures.tiny import ROWS_PER_DAY, day_window, scope, tiny_pipeline, write_sources

N_DAYS = 3
DAY_US = 86_400_000_000


def refreshed(folder: Path, home: Path, n_days: int = N_DAYS) -> tuple[Pipeline, Connections]:
    """Run the stages up to features and labels for the first days."""
    pipeline, connections = tiny_pipeline(folder), connected(home)
    for name, dataset in pipeline.spec.datasets.items():
        for day in range(n_days) if dataset.is_partitioned else [None]:
            take_in(pipeline, connections, day, name)
    for day in range(n_days):
        materialize_features(
            StageRun(pipeline, scope(day), connections.lake, connections.engine),
            "recent",
            feature_store=connections.feature_store,
        )
        materialize_labels(StageRun(pipeline, scope(day), connections.lake, connections.engine))
    return pipeline, connections


def train_set(pipeline: Pipeline, connections: Connections, day: int) -> pa.Table:
    materialize_training_set(
        StageRun(pipeline, scope(day), connections.lake, connections.engine),
        feature_store=connections.feature_store,
    )
    snapshot = connections.lake.snapshot("tiny/training_set")
    return duckdb.read_parquet(
        list(snapshot.paths([day_window(day).key])), hive_partitioning=False
    ).to_arrow_table()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pipeline, Connections]:
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder, n_days=N_DAYS)
    return folder, *refreshed(folder, folder / "home")


def test_only_labels_known_by_then_are_learned_from(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, to = ready
    rows = train_set(pipeline, to, 1)
    end = day_window(1).end
    assert max(rows["label_time"].to_pylist()) < end
    # 400 readings of 200 s end at 22:10; the last label is known an hour later, before midnight.
    assert rows.num_rows == 2 * ROWS_PER_DAY
    assert set(rows["_source_partition"].to_pylist()) == {"2024-01-01", "2024-01-02"}


def test_a_label_that_is_not_known_yet_is_left_out(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, connections = ready
    target = pipeline.spec.target.model_copy(update={"label_time": "taken_at + INTERVAL 3 HOUR"})
    spec = pipeline.spec.model_copy(update={"target": target})
    late = Pipeline(pipeline.name, spec, pipeline.folder, pipeline.sql, "hash")
    materialize_labels(StageRun(late, scope(1), connections.lake, connections.engine))
    try:
        rows = train_set(late, connections, 1)
        # Readings from 21:00 on: 22 of them (21:00:00 … 22:10:00) have no label by midnight.
        assert rows.num_rows == 2 * ROWS_PER_DAY - 22
    finally:
        materialize_labels(StageRun(pipeline, scope(1), connections.lake, connections.engine))


def test_features_are_sorted_and_named_after_their_view(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, to = ready
    names = train_set(pipeline, to, 1).column_names
    features = [name for name in names if "__" in name]
    assert features == ["recent__mean_heat", "recent__readings", "request__heat", "request__load"]


def test_yesterdays_mean_is_joined_and_todays_is_not(ready: tuple[Path, Pipeline, Connections]) -> None:
    folder, pipeline, to = ready
    rows = train_set(pipeline, to, 1)
    second = duckdb.from_arrow(rows).filter("_source_partition = '2024-01-02'")
    joined = second.aggregate("count(DISTINCT recent__mean_heat), min(recent__mean_heat)").fetchall()[0]
    by_hand = duckdb.sql(
        "SELECT min(m) FROM (SELECT machine, avg(heat) AS m "
        f"FROM read_csv('{folder / 'readings.csv'}') WHERE taken_at < '2024-01-02' GROUP BY machine)"
    ).fetchall()[0][0]
    assert joined[0] == 5
    assert joined[1] == pytest.approx(by_hand)


def test_the_versions_that_were_read_are_kept(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, connections = ready
    train_set(pipeline, connections, 2)
    commit = connections.lake.commit_of("tiny/training_set")
    assert commit["leakage"] == "checked against 3 perturbations; label times respected."
    assert commit["labels_version"] == str(connections.lake.snapshot("tiny/labels").version)
    assert (
        commit["feature_versions"]
        == f"tiny/features/recent@{connections.lake.snapshot('tiny/features/recent').version}"
    )


def test_what_comes_later_changes_nothing(ready: tuple[Path, Pipeline, Connections], tmp_path: Path) -> None:
    _, pipeline, to = ready
    write_sources(tmp_path, n_days=N_DAYS, shift_from=1)
    other_pipeline, other = refreshed(tmp_path, tmp_path / "home")
    assert train_set(other_pipeline, other, 0).equals(train_set(pipeline, to, 0))
    assert not train_set(other_pipeline, other, 2).equals(train_set(pipeline, to, 2))


def test_a_sliding_window_takes_the_newest_partitions(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    model = pipeline.spec.model.model_copy(update={"train_window": 2})
    spec = pipeline.spec.model_copy(update={"model": model})
    sliding = Pipeline(pipeline.name, spec, pipeline.folder, pipeline.sql, "hash")
    assert [w.key for w in training_windows(sliding, day_window(4))] == ["2024-01-04", "2024-01-05"]
    assert len(training_windows(pipeline, day_window(4))) == 5


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    pipeline, connections = refreshed(tmp_path, tmp_path / "home", n_days=1)
    # As of a day whose labels are not in the lake and whose window has none of the first.
    model = pipeline.spec.model.model_copy(update={"train_window": 1})
    spec = pipeline.spec.model_copy(update={"model": model})
    sliding = Pipeline(pipeline.name, spec, pipeline.folder, pipeline.sql, "hash")
    outcome = materialize_training_set(
        StageRun(sliding, scope(4), connections.lake, connections.engine),
        feature_store=connections.feature_store,
    )
    assert outcome.metadata["n_rows"] == 0
    assert str(outcome.metadata["note"]).startswith("No labels in the lake by 2024-01-06")
    snapshot = connections.lake.snapshot(sliding.table("training_set"))
    assert {"row_id", "event_timestamp", "label", "label_time", "_source_partition"} <= set(
        snapshot.schema.names
    )
    assert snapshot.n_rows == 0


def test_a_training_set_says_what_it_was_checked_against(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, connections = ready
    outcome = materialize_training_set(
        StageRun(pipeline, scope(1), connections.lake, connections.engine),
        feature_store=connections.feature_store,
    )
    (check,) = outcome.checks
    assert (check.name, check.is_passed, check.metadata["n_perturbations"]) == ("no_leakage", True, 3)
    assert outcome.metadata["leakage"] == "checked against 3 perturbations; label times respected."


def look_a_day_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the join find rows that happened up to a day after what is asked for."""
    honest = asof_engine.newest_instants

    def a_day_ahead(labels: CodedLabels, rows: Iterable[Block]) -> NDArray[np.int64]:
        return honest(replace(labels, instants=labels.instants + DAY_US), rows)

    monkeypatch.setattr(asof_engine, "newest_instants", a_day_ahead)


def test_a_join_that_takes_later_rows_fails_the_check(
    ready: tuple[Path, Pipeline, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pipeline, connections = ready
    look_a_day_ahead(monkeypatch)
    outcome = materialize_training_set(
        StageRun(pipeline, scope(2), connections.lake, connections.engine),
        feature_store=connections.feature_store,
    )
    (check,) = outcome.checks
    assert (check.is_passed, check.severity) == (False, "critical")
    assert "'recent__mean_heat' of the prediction at 2024-01-0" in check.description


def with_model(pipeline: Pipeline, **changes: object) -> Pipeline:
    model = pipeline.spec.model.model_copy(update=changes)
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"model": model}))


def test_a_set_that_memory_may_not_hold_is_refused_before_the_join(
    ready: tuple[Path, Pipeline, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pipeline, connections = ready
    monkeypatch.setattr(training_set_asset, "limit_bytes", lambda _: 100_000)
    monkeypatch.setattr(
        type(connections.feature_store), "features_for", lambda *_: pytest.fail("the rows were joined")
    )
    with pytest.raises(TrainingSetError) as caught:
        train_set(pipeline, connections, 1)
    # 2 · 32 + 4 · 8 + 1 + 2 · 8 bytes of a label's row, 32 + 8 + 8 + 8 of the view's, 4 · 8 of the matrix.
    assert str(caught.value) == (
        "a training set of 800 rows with 4 features takes about 0.0 GB, and DRIFTLINE_MEMORY_LIMIT is 2GB. Learn from a sample "
        "(model.sample: {rows: 398}), from fewer partitions (model.train_window) or fewer features; declare only candidates that "
        "learn out of core (lightgbm, sgd), which now is not so: the candidate 'logistic_regression' (logistic_regression) needs "
        "all rows in memory; or raise the limit, where the machine has more."
    )


def test_a_set_in_turns_is_the_same_as_at_once(
    ready: tuple[Path, Pipeline, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pipeline, connections = ready
    able = with_model(pipeline, candidates=("sgd",))
    run = StageRun(able, scope(2), connections.lake, connections.engine)
    at_once = materialize_training_set(run, feature_store=connections.feature_store)
    table = train_set(able, connections, 2)
    monkeypatch.setattr(training_set_asset, "limit_bytes", lambda _: 100)
    monkeypatch.setattr(turns, "MIN_TURN_ROWS", 77)
    in_turns = materialize_training_set(run, feature_store=connections.feature_store)
    snapshot = connections.lake.snapshot("tiny/training_set")
    again = duckdb.read_parquet(
        list(snapshot.paths([day_window(2).key])), hive_partitioning=False
    ).to_arrow_table()
    assert again.equals(table)
    said = ("n_rows", "n_features", "n_partitions", "leakage", "reads", "note")
    assert [in_turns.metadata[name] for name in said] == [at_once.metadata[name] for name in said]
    assert in_turns.markdown == at_once.markdown
    assert in_turns.checks == at_once.checks


def test_a_leak_in_turns_fails_the_check(
    ready: tuple[Path, Pipeline, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pipeline, connections = ready
    able = with_model(pipeline, candidates=("sgd",))
    look_a_day_ahead(monkeypatch)
    monkeypatch.setattr(training_set_asset, "limit_bytes", lambda _: 100)
    outcome = materialize_training_set(
        StageRun(able, scope(2), connections.lake, connections.engine),
        feature_store=connections.feature_store,
    )
    (check,) = outcome.checks
    assert not check.is_passed
    assert "'recent__mean_heat' of the prediction at 2024-01-0" in check.description


def test_a_sample_is_the_same_again_and_keeps_its_rows(ready: tuple[Path, Pipeline, Connections]) -> None:
    _, pipeline, connections = ready
    whole = train_set(pipeline, connections, 2)
    labels = dict(zip(whole["row_id"].to_pylist(), whole["label"].to_pylist(), strict=True))

    def drawn(rows: int, *, stratified: bool = False, seed: int = 0) -> list[str]:
        sample = SampleSpec.model_construct(rows=rows, stratified=stratified)
        table = train_set(with_model(pipeline, sample=sample, seed=seed), connections, 2)
        assert table["event_timestamp"].to_pylist() == sorted(table["event_timestamp"].to_pylist())
        found: list[str] = table["row_id"].to_pylist()
        return found

    few, more = drawn(100), drawn(200)
    assert (len(few), len(more)) == (100, 200)
    assert few == drawn(100)
    assert set(few) < set(more)
    assert set(few) != set(drawn(100, seed=1))
    assert drawn(5_000) == drawn(5_000, stratified=True) == whole["row_id"].to_pylist()
    by_label = drawn(100, stratified=True)
    share = sum(labels.values()) / len(labels)
    assert sum(labels[row] for row in by_label) == round(100 * share)
    assert abs(len(by_label) - 100) <= 1
