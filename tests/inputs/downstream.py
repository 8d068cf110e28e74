"""A small pipeline whose rows and target can be made strange, run from raw data to a model."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from assets.features.asset import materialize_features
from assets.labels.asset import materialize_labels
from assets.materialization import Outcome, Scope, StageRun
from assets.model.asset import materialize_model
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from assets.training_set.asset import materialize_training_set
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.loading.read import read
from resources.connections import Connections
from tests.fixtures.stages import connected

Row = dict[str, object]
ROWS_PER_DAY = 200
DAYS = ("2024-01-01", "2024-01-02")
STAGES = ("raw", "profiled", "features", "labels", "training_set", "model")

PAST = """\
SELECT who, date_trunc('day', t) + INTERVAL 1 DAY AS event_timestamp, avg(x) AS mean_x FROM orders GROUP BY ALL
"""


@dataclass(frozen=True)
class Strange:
    """What is strange, and how far it gets.

    Attributes
    ----------
    name
        What is strange.
    column, cell
        The column that is changed, and its value in the n-th row, given what it was.
    target
        Changed keys of the target.
    """

    name: str
    column: str = "x"
    cell: Callable[[int, object], object] = lambda _, value: value
    target: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Name the case, as pytest shows it."""
        return self.name

    def declaration(self) -> Mapping[str, Any]:
        """Return the declaration."""
        target = {
            "dataset": "orders", "prediction_time": "t", "label": "y > 0", "label_time": "t + INTERVAL 1 HOUR",
            "problem": "binary", "request_features": {"x": "x", "kind": "kind"}, **self.target,
        }  # fmt: skip
        is_regression = target["problem"] == "regression"
        columns = {
            "id": "int",
            "who": "string",
            "t": "timestamp_tz",
            "x": "float",
            "kind": "string",
            "y": "float",
        }
        orders = {
            "source": {"type": "csv", "path": "orders.csv"}, "columns": columns, "event_time": "t", "key": ["id"],
        }  # fmt: skip
        return {
            "type": "pipelines.MLPipeline",
            "attributes": {
                "partitions": {"every": "day", "start": "2024-01-01", "end": "2024-01-03"},
                "datasets": {"orders": orders},
                "entities": {"who": ["who"]},
                "features": {"past": {"entity": "who", "sql": "past.sql", "lookback": "2d"}},
                "target": target,
                "model": {"candidates": ["ridge" if is_regression else "logistic_regression"]},
            },
        }

    def rows(self) -> list[Row]:
        """Return the rows of two days."""
        generator = np.random.default_rng(0)
        made = []
        for number in range(len(DAYS) * ROWS_PER_DAY):
            x = float(generator.normal())
            at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=1440 / ROWS_PER_DAY * number)
            row: Row = {
                "id": number, "who": f"w{number % 5}", "t": at.isoformat(), "x": x, "kind": f"k{number % 3}",
                "y": x + float(generator.normal()),
            }  # fmt: skip
            made.append({**row, self.column: self.cell(number, row[self.column])})
        return made


@dataclass(frozen=True)
class Journey:
    """The pipeline on its way: what each stage reported, and where it is kept."""

    pipeline: Pipeline
    connections: Connections
    reached: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def of(cls, strange: Strange, root: Path) -> "Journey":
        """Write the rows and the declaration."""
        folder = root / "strange"
        folder.mkdir()
        rows = strange.rows()
        with (folder / "orders.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        (folder / "past.sql").write_text(PAST)
        (folder / "defs.yaml").write_text(yaml.safe_dump(dict(strange.declaration()), sort_keys=False))
        connections = connected(root / "home")
        return cls(read(folder), connections)

    def run(self, last: str) -> None:
        """Run the stages up to one, for both days."""
        wanted = STAGES[: STAGES.index(last) + 1]
        for day in DAYS:
            for stage in wanted[:4]:
                self._run(stage, day)
        for stage in wanted[4:]:
            self._run(stage, DAYS[-1])

    def _run(self, stage: str, day: str) -> None:
        clock = datetime(2024, 2, 1, tzinfo=UTC)
        scope = Scope(partitioning(self.pipeline.spec.partitions).window(day), f"run-{day}", clock)
        pipeline, connections = self.pipeline, self.connections
        lake, engine, store = connections.lake, connections.engine, connections.feature_store
        runs: Mapping[str, Callable[[], Outcome]] = {
            "raw": lambda: materialize_raw(StageRun(pipeline, scope, lake, engine), "orders"),
            "profiled": lambda: materialize_profiled(
                StageRun(pipeline, scope, lake, engine), "orders", validation=connections.validation
            ),
            "features": lambda: materialize_features(
                StageRun(pipeline, scope, lake, engine), "past", feature_store=store
            ),
            "labels": lambda: materialize_labels(StageRun(pipeline, scope, lake, engine)),
            "training_set": lambda: materialize_training_set(
                StageRun(pipeline, scope, lake, engine), feature_store=store
            ),
            "model": lambda: materialize_model(
                StageRun(pipeline, scope, lake, engine), registry=connections.registry
            ),
        }
        self.reached[stage] = runs[stage]()

    def has(self, stage: str) -> bool:
        """Tell whether a stage has written."""
        if stage == "model":
            return bool(self.connections.registry.versions("strange"))
        return self.connections.lake.has(f"strange/{stage}")
