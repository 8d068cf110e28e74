"""Number of rows that a source holds now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from declaration.pipeline import Pipeline
from sources.opening import opened, readable
from sources.read import read_files
from sources.stores import Stores

if TYPE_CHECKING:
    from resources.engine.duckdb import Engine


def n_source_rows(pipeline: Pipeline, dataset: str, *, engine: Engine, stores: Stores | None = None) -> int:
    """Count the rows that a source holds now, rejects left out: how far partitions of rows reach."""
    spec = pipeline.spec.datasets[dataset]
    scratch = Path(engine.spill_directory)
    with (
        opened(
            spec.source,
            folder=Path(pipeline.folder),
            scratch=scratch,
            dataset=spec,
            upstream=pipeline.upstream.get(dataset),
            stores=stores,
        ) as now,
        engine.connect(reads=now.files) as connection,
        readable(connection, now.files, spec, scratch) as plain,
    ):
        zone = pipeline.spec.partitions.timezone
        return read_files(connection, plain, spec, name=dataset, timezone=zone).n_read
