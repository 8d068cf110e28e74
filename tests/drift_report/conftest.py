"""A small world for drift reports: six months to learn from, then months that may be moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest

from assets.drift_report.asset import materialize_drift_report
from assets.materialization import Outcome, Scope, StageRun
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.windows import Window, window
from learning.metrics import Scored, metric_value
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelVersion
from resources.reports import Reports

INSTANT = pa.timestamp("us", tz="UTC")
FEATURES = ("carrier__code", "weather__rain", "weather__wind")
AS_OF = "2013-06-01"

Change = Callable[[dict[str, np.ndarray], np.random.Generator], None]
"""Alters a month's columns in place: features, `logit`, `score`."""


def spec(**blocks: Mapping[str, object]) -> PipelineSpec:
    """Return a monthly pipeline with three features; blocks replace the defaults."""
    return PipelineSpec.model_validate(
        {
            "partitions": {"every": "month", "start": datetime(2013, 1, 1, tzinfo=UTC)},
            "datasets": {
                "flights": {
                    "source": {"type": "csv", "path": "flights.csv"},
                    "columns": {"departure": "timestamp_tz"},
                    "event_time": "departure",
                }
            },
            "target": {
                "dataset": "flights",
                "prediction_time": "departure",
                "label": "late",
                "label_time": "arrival",
                "problem": "binary",
            },
            **blocks,
        }
    )


@dataclass(frozen=True)
class FixedRegistry:
    """A registry that knows the versions it was given."""

    versions: Mapping[int, ModelVersion]

    def version(self, pipeline: str, number: int) -> ModelVersion:
        """Return a version."""
        del pipeline
        return self.versions[number]


@dataclass(frozen=True)
class World:
    """A lake with one champion, and what is needed to write months and report on them."""

    pipeline: Pipeline
    lake: Lake
    engine: Engine
    reports: Reports
    registry: FixedRegistry
    n_rows: int = 2_000
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def month(self, key: str, change: Change | None = None) -> dict[str, np.ndarray]:
        """Draw one month: wind and rain raise the risk, the carrier shifts it."""
        draw, n = self.generator, self.n_rows
        columns = {
            "weather__wind": draw.gamma(4.0, 3.0, n),
            "weather__rain": np.where(draw.random(n) < 0.8, 0.0, draw.exponential(2.0, n)),
            "carrier__code": draw.choice(np.array(["AA", "B6", "UA", "WN"]), n, p=[0.2, 0.3, 0.4, 0.1]),
        }
        columns["logit"] = risk(columns)
        if change is not None:
            change(columns, draw)
        columns["score"] = 1 / (1 + np.exp(-risk(columns)))
        columns["label"] = (draw.random(n) < 1 / (1 + np.exp(-columns["logit"]))).astype(np.int8)
        span = window(self.pipeline.spec.partitions, key)
        start, end = (int(instant.timestamp() * 1e6) for instant in (span.start, span.end))
        columns["event_timestamp"] = np.sort(draw.integers(start, end - 7_200_000_000, n))
        columns["row_id"] = np.array([f"{key}/{i}" for i in range(n)])
        return columns

    def write_month(
        self, key: str, change: Change | None = None, *, version: int = 1, label_delay_us: int = 3_600_000_000
    ) -> None:
        """Write a month's predictions and labels; `label_delay_us` after the prediction each label is known."""
        columns = self.month(key, change)
        predictions = table_of(columns, ("row_id", "event_timestamp", "score", *FEATURES))
        predictions = predictions.append_column(
            "model_version", pa.array(np.full(self.n_rows, version, dtype=np.int32))
        )
        labels = table_of(columns, ("row_id", "event_timestamp", "label")).append_column(
            "label_time", pa.array(columns["event_timestamp"] + label_delay_us).cast(INSTANT)
        )
        self.lake.write(self.pipeline.table("predictions"), predictions, partition=key)
        self.lake.write(self.pipeline.table("labels"), labels, partition=key)

    def report(self, key: str, pipeline: Pipeline | None = None) -> Outcome:
        """Materialize a month's drift report."""
        declared = pipeline or self.pipeline
        span: Window = window(declared.spec.partitions, key)
        return materialize_drift_report(
            StageRun(declared, Scope(span, run_id="test", clock=span.end), self.lake, self.engine),
            registry=cast(ModelRegistry, self.registry),
            reports=self.reports,
        )

    def declare(self, **blocks: Mapping[str, object]) -> Pipeline:
        """Return the pipeline with other blocks."""
        return replace(self.pipeline, spec=spec(**blocks))


def risk(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the champion's log odds of a label."""
    is_worst = (columns["carrier__code"] == "B6").astype(float)
    wind, rain = (np.nan_to_num(columns[name], nan=0.0) for name in ("weather__wind", "weather__rain"))
    return np.asarray(-3.0 + 0.12 * wind + 0.5 * rain + 0.8 * is_worst)


def table_of(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> pa.Table:
    """Lay columns out as the lake holds them; NaN becomes NULL."""
    made = {}
    for name in names:
        values = pa.array(columns[name], from_pandas=True)
        made[name] = values.cast(INSTANT) if name == "event_timestamp" else values
    return pa.table(made)


def _learn(world: World) -> float:
    """Write the champion's training set and its holdout, the newest month; return the holdout's AUC."""
    months = [f"2013-{number:02d}-01" for number in range(1, 7)]
    tables = []
    for key in months:
        columns = world.month(key)
        rows = table_of(columns, ("row_id", "event_timestamp", "label", *FEATURES))
        tables.append(rows.append_column("_source_partition", pa.array([key] * world.n_rows)))
        holdout = table_of(columns, ("row_id", "event_timestamp", "label", "score"))
    world.lake.write(world.pipeline.table("training_set"), pa.concat_tables(tables), partition=AS_OF)
    world.lake.write(world.pipeline.table("holdout_scores"), holdout, partition="1")
    return metric_value("roc_auc", Scored(columns["label"].astype(float), columns["score"]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a lake in which version 1 learned from January to June."""
    version = ModelVersion(
        version=1,
        algorithm="logistic_regression",
        training_partition=AS_OF,
        training_table_version=0,
        metric="roc_auc",
        holdout_metric=0.72,
        holdout_low=0.70,
        holdout_high=0.74,
        holdout_start=datetime(2013, 6, 1, tzinfo=UTC),
        feature_names=FEATURES,
        importances={"carrier__code": 0.3, "weather__rain": 0.2, "weather__wind": 0.5},
        n_training_rows=12_000,
        artifact_sha256="0" * 64,
        registered_at=datetime(2013, 7, 1, tzinfo=UTC),
    )
    made = World(
        pipeline=Pipeline("flights", spec(), str(tmp_path), {}, "hash"),
        lake=Lake(root=str(tmp_path / "lake")),
        engine=Engine(
            spill_directory=str(tmp_path / "spill"),
            directories=[str(tmp_path / "lake")],
            memory_limit="1GB",
        ),
        reports=Reports(folder=str(tmp_path / "reports")),
        registry=FixedRegistry({}),
    )
    learned = replace(version, holdout_metric=_learn(made))
    return replace(made, registry=FixedRegistry({1: learned}))
