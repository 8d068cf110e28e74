"""A pipeline of 20 features over any number of rows, drawn from a seed in batches: for benchmarks of what must not grow with them.

Half a million entities have a feature row every few days; a row to predict brings four features of its own, which decide its
label. Tables are written where the stages would have written them; whatever comes after is the product's own path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assets.materialization import Scope, StageRun
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.connections import Connections, connect
from resources.deployment import deployment

NAME = "wide"
PAST, NEW = "2024-01-01", "2024-02-01"
"""Partitions: the one that is learned from, and the one that is scored."""

N_ENTITIES = 500_000
N_NUMBERS, N_TEXTS, N_OWN = 12, 4, 4
"""Features of the view, numbers and texts, and those of the row itself."""

DRAWN_ROWS = 500_000
"""Rows that are drawn at once."""

UTC_TYPE = pa.timestamp("us", tz="UTC")


def wide_pipeline(model: Mapping[str, Any]) -> Pipeline:
    """Declare the pipeline, with the block `model` that is given."""
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "month", "start": "2024-01-01", "end": "2024-03-01"},
            "datasets": {
                "events": {
                    "source": {"type": "parquet", "path": "events.parquet"},
                    "columns": {"id": "int", "entity": "int", "at": "timestamp_tz"},
                    "event_time": "at",
                    "key": ["id"],
                }
            },
            "entities": {"entity": ["entity"]},
            "features": {"state": {"entity": "entity", "sql": "state.sql"}},
            "target": {
                "dataset": "events",
                "prediction_time": "at",
                "label": "id",
                "label_time": "at",
                "problem": "binary",
                "request_features": {f"own_{place}": "id" for place in range(N_OWN)},
            },
            "model": model,
        }
    )
    return Pipeline(NAME, spec, "", {"state.sql": ""}, "0" * 64)


def connections(home: str, memory_limit: str, threads: int = 1) -> Connections:
    """Open a home with its bounds."""
    variables = {
        "DRIFTLINE_HOME": home,
        "DRIFTLINE_MEMORY_LIMIT": memory_limit,
        "DRIFTLINE_THREADS": str(threads),
    }
    return connect(deployment({**os.environ, **variables}))


def stage_run(pipeline: Pipeline, to: Connections, partition: str) -> StageRun:
    """Stand at the end of a partition."""
    window = partitioning(pipeline.spec.partitions).window(partition)
    return StageRun(pipeline, Scope(window, f"run-{partition}", window.end), to.lake, to.engine)


def write_features(pipeline: Pipeline, to: Connections, n_rows: int) -> None:
    """Write the view's rows, all of January."""
    window = partitioning(pipeline.spec.partitions).window(PAST)
    generator = np.random.default_rng(1)

    def rows(n: int, first: datetime, last: datetime) -> pa.RecordBatch:
        columns: dict[str, Any] = {
            "entity": generator.integers(0, N_ENTITIES, n),
            "event_timestamp": _instants(generator, n, first, last),
        }
        for place in range(N_NUMBERS):
            missing = generator.random(n) < 0.05 if place % 4 == 0 else None
            columns[f"number_{place:02}"] = pa.array(generator.normal(size=n), mask=missing)
        texts = pa.array([f"kind {number}" for number in range(30)])
        for place in range(N_TEXTS):
            columns[f"text_{place}"] = texts.take(pa.array(generator.integers(0, 30, n)))
        return pa.record_batch(columns)

    _write(to, pipeline.table("features", "state"), rows, window, n_rows)


def write_labels(pipeline: Pipeline, to: Connections, partition: str, n_rows: int) -> None:
    """Write a partition's rows to predict, with their labels, as the stage `labels` does: ordered by instant."""
    window = partitioning(pipeline.spec.partitions).window(partition)
    generator = np.random.default_rng(2)

    def rows(n: int, first: datetime, last: datetime) -> pa.RecordBatch:
        instants = _instants(generator, n, first, last)
        own = generator.normal(size=(N_OWN, n))
        truth = own[0] + own[1] * own[2] + generator.normal(size=n)
        # 128 bits as 32 hexadecimal digits, as an md5 of the key is.
        digits = np.frombuffer(generator.bytes(16 * n).hex().encode(), dtype="S32").astype("U32")
        return pa.record_batch(
            {
                "row_id": pa.array(digits),
                "entity": generator.integers(0, N_ENTITIES, n),
                "event_timestamp": instants,
                "event_time": instants,
                "label": pa.array((truth > 0).astype(np.int8)),
                "label_time": instants.cast(pa.int64()).to_numpy() + 3_600_000_000,
                **{f"request__own_{place}": own[place] for place in range(N_OWN)},
            }
        )

    _write(to, pipeline.table("labels"), rows, window, n_rows)


def _write(to: Connections, table: str, rows: Any, window: Window, n_rows: int) -> None:
    """Draw rows a part of the window at a time, and write them as one partition."""
    n_parts = -(-n_rows // DRAWN_ROWS)
    step = (window.end - window.start) / n_parts

    def batches() -> Iterator[pa.RecordBatch]:
        for part in range(n_parts):
            n = min(DRAWN_ROWS, n_rows - part * DRAWN_ROWS)
            batch = rows(n, window.start + part * step, window.start + (part + 1) * step)
            yield _as_instants(batch)

    drawn = batches()
    first = next(drawn)
    stream = (batch for some in ([first], drawn) for batch in some)
    to.lake.write(table, pa.RecordBatchReader.from_batches(first.schema, stream), partition=window.key)


def _as_instants(batch: pa.RecordBatch) -> pa.RecordBatch:
    if "label_time" not in batch.schema.names:
        return batch
    place = batch.schema.get_field_index("label_time")
    return batch.set_column(place, "label_time", batch.column("label_time").cast(UTC_TYPE))


def _instants(generator: np.random.Generator, n: int, first: datetime, last: datetime) -> pa.Array:
    low, high = (int(at.astimezone(UTC).timestamp() * 1e6) for at in (first, last))
    return pa.array(np.sort(generator.integers(low, high, n)), pa.int64()).cast(UTC_TYPE)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
