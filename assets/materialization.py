"""Materialization of a stage: its run, and the outcome it reports; the same inside and outside Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from resources.engine.duckdb import Engine
    from resources.lake.lake import Lake
    from sources.stores import Stores


@dataclass(frozen=True)
class Scope:
    """One materialization: which partition, on whose behalf, at what time."""

    window: Window | None
    """The partition; None for reference tables."""
    run_id: str
    clock: datetime
    """The instant recorded as 'now'."""
    reason: str = "refresh"
    """Why the run was asked for: refresh, or the retrain's reason."""

    @property
    def partition(self) -> str | None:
        """The partition key."""
        return self.window.key if self.window else None

    def commit(self, pipeline: Pipeline) -> Mapping[str, str]:
        """Return what is kept in the lake's commit."""
        return {"pipeline": pipeline.name, "run_id": self.run_id, "spec_hash": pipeline.spec_hash}


@dataclass(frozen=True)
class StageRun:
    """One materialization of one stage of a pipeline, with the lake and the engine that every stage works with."""

    pipeline: Pipeline
    scope: Scope
    lake: Lake
    engine: Engine
    stores: Stores | None = None
    """Where other pipelines and code locations keep what they made; None where nothing of that is at hand."""

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline's declared values."""
        return self.pipeline.spec

    @property
    def commit(self) -> Mapping[str, str]:
        """Properties kept in the lake's commit."""
        return self.scope.commit(self.pipeline)

    def table(self, stage: str, name: str | None = None) -> str:
        """Return the lake's table of one of the pipeline's stages."""
        return self.pipeline.table(stage, name)


@dataclass(frozen=True)
class CheckOutcome:
    """The verdict of one expectation on one partition."""

    name: str
    is_passed: bool
    severity: str
    """info, warning or critical"""
    description: str
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Outcome that a materialization reports.

    `metadata` holds plain numbers, texts and booleans; `markdown` holds pages and pictures;
    `data_version` is a content version (usually `<table>@<Delta version>`); `schema` is that of the
    table that was written, where its columns are to be shown.
    """

    data_version: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    markdown: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, list[Mapping[str, object]]] = field(default_factory=dict)
    checks: tuple[CheckOutcome, ...] = ()
    schema: pa.Schema | None = None
