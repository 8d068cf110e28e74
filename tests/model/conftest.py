"""Small worlds for the tests of the model room: tables whose truth is known because we made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from assets.materialization import Scope
from declaration.datasets import DatasetSpec, SourceSpec
from declaration.model import Candidate, GateSpec, ModelSpec
from declaration.partitions import PartitionsSpec
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.target import ProblemType, TargetSpec
from declaration.windows import window
from learning import candidates
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from resources.model_registry.registry import ModelRegistry

START = datetime(2024, 1, 1, tzinfo=UTC)


def training_table(
    n_rows: int = 2_000,
    *,
    problem: ProblemType = "binary",
    days: float = 40,
    start: datetime = START,
    seed: int = 0,
    strength: float = 2.0,
) -> pa.Table:
    """Build labelled rows at even intervals; `signal__x` and `carrier__name` decide the label."""
    generator = np.random.default_rng(seed)
    step = timedelta(days=days) / n_rows
    events = [start + position * step for position in range(n_rows)]
    signal = generator.normal(size=n_rows)
    carriers = generator.choice(["AA", "B6", "UA"], size=n_rows)
    truth = strength * signal + (carriers == "B6") + generator.normal(size=n_rows)
    labels: Mapping[ProblemType, pa.Array] = {
        "binary": pa.array((truth > 0).astype(np.int8)),
        "regression": pa.array(truth),
        "multiclass": pa.array(np.select([truth < -1, truth < 1], ["early", "on time"], "late")),
    }
    return pa.table(
        {
            "row_id": [f"{start:%Y%m%d}-{position:06d}" for position in range(n_rows)],
            "event_timestamp": pa.array(events, pa.timestamp("us", tz="UTC")),
            "label": labels[problem],
            "label_time": pa.array([at + timedelta(hours=3) for at in events], pa.timestamp("us", tz="UTC")),
            "signal__x": pa.array(signal),
            "noise__x": pa.array(generator.normal(size=n_rows)),
            "carrier__name": pa.array(carriers),
            "_source_partition": pa.array(["2024-01-01"] * n_rows),
        }
    )


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow few trees where their number is beside the point."""
    monkeypatch.setattr(candidates, "N_BOOSTING_ROUNDS", 8)
    monkeypatch.setattr(candidates, "N_FOREST_TREES", 8)


@pytest.fixture
def make_training_table() -> Callable[..., pa.Table]:
    """Return the builder of labelled rows."""
    return training_table


class World:
    """A lake, an engine and a registry in one temporary folder, with one pipeline."""

    def __init__(self, root: str) -> None:
        self.lake = Lake(root=f"{root}/lake")
        self.engine = Engine(spill_directory=f"{root}/spill", directories=[self.lake.root], threads=1)
        self.registry = ModelRegistry(
            tracking_uri=f"sqlite:///{root}/mlflow/mlflow.db", artifact_root=f"{root}/models"
        )

    @staticmethod
    def pipeline(
        name: str,
        *,
        problem: ProblemType = "binary",
        algorithms: tuple[Candidate, ...] = ("logistic_regression",),
        gate: GateSpec | None = None,
    ) -> Pipeline:
        """Declare a pipeline of monthly partitions."""
        spec = PipelineSpec(
            partitions=PartitionsSpec(every="month", start=datetime(2024, 1, 1)),
            datasets={
                "flights": DatasetSpec(source=SourceSpec(type="csv", path="x.csv"), columns={"a": "int"})
            },
            target=TargetSpec(
                dataset="flights", prediction_time="a", label="a", label_time="a", problem=problem
            ),
            model=ModelSpec(candidates=algorithms, gate=gate or GateSpec()),
        )
        return Pipeline(name, spec, folder="", sql={}, spec_hash="0" * 64)

    def scope(self, pipeline: Pipeline, partition: str, *, reason: str = "schedule") -> Scope:
        """Stand at the end of a partition."""
        clock = window(pipeline.spec.partitions, partition).end
        return Scope(window(pipeline.spec.partitions, partition), f"run-{partition}", clock, reason)

    def write_training_set(self, pipeline: Pipeline, partition: str, rows: pa.Table) -> None:
        """Put rows where the training set of a partition lies."""
        self.lake.write(pipeline.table("training_set"), rows, partition=partition)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One SQLite registry for all tests of a module: MLflow's schema takes its time."""
    return World(str(tmp_path_factory.mktemp("world")))
