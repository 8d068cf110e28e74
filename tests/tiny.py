"""A tiny pipeline for tests: machines that fail, a sensor that drifts when told to."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from assets.materialization import Scope
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.windows import Window, window
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS_PER_DAY = 400

READINGS_SQL = """
SELECT machine, date_trunc('day', taken_at) + INTERVAL 1 DAY AS event_timestamp,
  avg(heat) AS mean_heat, count(*) AS readings
FROM readings GROUP BY ALL
"""

DECLARATION = {
    "description": "Which machine fails within the hour?",
    "owners": ["team:tests"],
    "partitions": {"every": "day", "start": "2024-01-01", "end": "2024-01-15"},
    "datasets": {
        "readings": {
            "source": {"type": "csv", "path": "readings.csv"},
            "columns": {
                "id": "int", "machine": "string", "taken_at": "timestamp_tz", "heat": "float",
                "load": "float", "failed": "boolean",
            },
            "event_time": "taken_at",
            "key": ["id"],
            "expectations": [
                {"expect": "column_values_to_not_be_null", "column": "machine"},
                {"expect": "column_values_to_be_between", "column": "load", "min_value": 0, "max_value": 1, "on_failure": "quarantine"},
            ],
        },
        "machines": {
            "source": {"type": "csv", "path": "machines.csv"},
            "columns": {"machine": "string", "age": "int"},
            "key": ["machine"],
        },
    },
    "entities": {"machine": ["machine"]},
    "features": {"recent": {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "3d"}},
    "target": {
        "dataset": "readings",
        "prediction_time": "taken_at",
        "label": "failed",
        "label_time": "taken_at + INTERVAL 1 HOUR",
        "problem": "binary",
        "request_features": {"heat": "heat", "load": "load"},
    },
    "model": {"candidates": ["logistic_regression"], "gate": {"min_metric": 0.5}},
    "drift": {"sensitivity": "medium", "min_rows": 200},
    "retrain": {"on": ["drift"], "cooldown": 1, "min_new_labels": 100},
}  # fmt: skip


def write_sources(folder: Path, *, n_days: int = 10, shift_from: int | None = None, seed: int = 7) -> None:
    """Write the source files; from day `shift_from` on, heat reads 1.5 standard deviations higher."""
    generator = np.random.default_rng(seed)
    with (folder / "machines.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["machine", "age"])
        rows.writerows([f"m{number}", number] for number in range(5))
    with (folder / "readings.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["id", "machine", "taken_at", "heat", "load", "failed"])
        for day in range(n_days):
            heat = generator.normal(size=ROWS_PER_DAY)
            load = generator.uniform(size=ROWS_PER_DAY)
            failed = generator.uniform(size=ROWS_PER_DAY) < 1 / (1 + np.exp(2 - 2 * heat))
            if shift_from is not None and day >= shift_from:
                heat = heat + 1.5
            for number in range(ROWS_PER_DAY):
                at = START + timedelta(days=day, seconds=number * 200)
                rows.writerow(
                    [day * ROWS_PER_DAY + number, f"m{number % 5}", at.isoformat(), round(float(heat[number]), 4),
                     round(float(load[number]), 4), bool(failed[number])]
                )  # fmt: skip


def tiny_pipeline(folder: Path, name: str = "tiny") -> Pipeline:
    """Return the pipeline whose sources lie in a folder."""
    spec = PipelineSpec.model_validate(DECLARATION)
    return Pipeline(name, spec, str(folder), {"recent.sql": READINGS_SQL}, "hash")


def day_window(day: int) -> Window:
    """Return the partition of the n-th day."""
    spec = PipelineSpec.model_validate(DECLARATION)
    return window(spec.partitions, (START + timedelta(days=day)).strftime("%Y-%m-%d"))


def scope(day: int | None, reason: str = "refresh") -> Scope:
    """Return the scope of a materialization on the n-th day."""
    found = None if day is None else day_window(day)
    return Scope(found, run_id=f"run-{day}", clock=datetime(2024, 2, 1, tzinfo=UTC), reason=reason)


def lake_and_engine(folder: Path) -> tuple[Lake, Engine]:
    """Return a lake and an engine of their own."""
    lake = Lake(root=str(folder / "lake"))
    return lake, Engine(spill_directory=str(folder / "spill"), directories=[lake.root], threads=1)
