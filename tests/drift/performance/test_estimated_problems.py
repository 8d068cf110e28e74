"""Estimated performance in the drift report, for the problems that are not binary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import Metric
from declaration.pipeline import Pipeline
from declaration.target import ProblemType
from learning.metrics import Scored, metric_value
from learning.score_columns import score_columns
from resources.lake.lake import Lake
from tests.fixtures.drift_world import AS_OF, FEATURES, INSTANT, FixedRegistry, World, table_of

CLASSES = ("low", "mid", "top")


def scored(
    columns: dict[str, np.ndarray], draw: np.random.Generator, problem: ProblemType
) -> tuple[Scored, pa.Array]:
    """Predict values, or three classes, that are the less sure the stronger the wind; labels as the lake holds them."""
    wind, n = columns["weather__wind"], columns["weather__wind"].size
    if problem == "regression":
        values = draw.normal(size=n)
        labels = values + wind * draw.normal(size=n)
        return Scored(labels, values), pa.array(labels)
    powers = np.exp(draw.normal(size=(n, 3)) * 12 / np.maximum(wind, 1)[:, None])
    chances = powers / powers.sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < draw.random((n, 1))).sum(axis=1).clip(0, 2)
    return Scored(labels.astype(float), chances), pa.array(np.array(CLASSES)[labels])


def with_scores(
    world: World, key: str, problem: ProblemType, *, is_stormy: bool = False
) -> tuple[Scored, pa.Table]:
    """Draw a month with features, scores and labels."""

    def storm(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
        columns["weather__wind"] = columns["weather__wind"] * (2 if is_stormy else 1)

    columns = world.month(key, storm)
    found, labels = scored(columns, world.generator, problem)
    table = table_of(columns, ("row_id", "event_timestamp", *FEATURES)).append_column("label", labels)
    for name, values in score_columns(problem, CLASSES, found.scores).items():
        table = table.append_column(name, values)
    return found, table


def learned(world: World, problem: ProblemType, metric: Metric) -> tuple[World, Pipeline]:
    """Return the world with a champion of another problem."""
    tables = []
    for number in range(1, 7):
        key = f"2013-{number:02d}-01"
        holdout, table = with_scores(world, key, problem)
        rows = table.select(["row_id", "event_timestamp", "label", *FEATURES])
        tables.append(rows.append_column("_source_partition", pa.array([key] * world.n_rows)))
    names = [name for name in table.column_names if name not in FEATURES]
    version = replace(
        world.registry.versions[1],
        metric=metric,
        holdout_metric=metric_value(metric, holdout),
        training_table_version=world.lake.write(
            world.pipeline.table("training_set"), pa.concat_tables(tables), partition=AS_OF
        ).version,
    )
    world.lake.write(world.pipeline.table("holdout_scores"), table.select(names), partition="1")
    target = {**world.pipeline.spec.learned.model_dump(), "problem": problem}
    return replace(world, registry=FixedRegistry({1: version})), world.declare(
        target=target, model={"metric": metric}
    )


@pytest.mark.parametrize(
    ("problem", "metric"),
    [
        ("regression", "mae"),
        ("regression", "rmse"),
        ("multiclass", "accuracy"),
        ("multiclass", "log_loss"),
        ("multiclass", "f1_macro"),
    ],
)
def test_a_storm_is_estimated_before_its_labels_arrive(
    world: World, problem: ProblemType, metric: Metric
) -> None:
    # The binary world's tables have other columns: this champion's start anew.
    changed, declared = learned(replace(world, lake=Lake(root=f"{world.lake.root}/anew")), problem, metric)
    truth, table = with_scores(changed, "2013-07-01", problem, is_stormy=True)
    version = pa.array(np.ones(changed.n_rows, dtype=np.int32))
    predictions = table.drop_columns(["label"]).append_column("model_version", version)
    late = pa.array(table["event_timestamp"].cast(pa.int64()).to_numpy() + 40 * 86_400_000_000).cast(INSTANT)
    labels = table.select(["row_id", "event_timestamp", "label"]).append_column("label_time", late)
    changed.lake.write(declared.table("predictions"), predictions, partition="2013-07-01")
    changed.lake.write(declared.table("labels"), labels, partition="2013-07-01")
    outcome = changed.report("2013-07-01", declared)
    assert outcome.metadata[f"realised_{metric}"] is None
    realised = metric_value(metric, truth)
    unchanged = changed.registry.versions[1].holdout_metric
    estimated = outcome.metadata[f"estimated_{metric}"]
    assert isinstance(estimated, float)
    assert abs(estimated - realised) < 0.4 * abs(unchanged - realised)
    page = Path(str(outcome.metadata["life"])).read_text()
    assert f">{metric} by window<" in page
    assert "<title>2013-07-01: estimated before labels" in page
    assert "<title>2013-07-01: realised" not in page
