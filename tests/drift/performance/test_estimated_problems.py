"""Estimated performance in the drift report, for the problems that are not binary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import Metric
from declaration.target import ProblemType
from learning.metrics import metric_value
from resources.lake.lake import Lake
from tests.fixtures.drift_problems import learned, with_scores
from tests.fixtures.drift_world import INSTANT, World


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
