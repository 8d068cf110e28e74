"""The one door: everything that Dagster loads from this code location."""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path

import dagster as dg

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from pipelines.automation import automation
from pipelines.component import LoadedPipelines, load_pipelines
from resources.connections import connections
from resources.deployment import deployment

DEFS_FOLDER = Path(__file__).resolve().parent / "defs"


class UnknownPipelineError(DriftlineError):
    """No sound declaration has the name that was asked for."""


@cache
def _loaded() -> LoadedPipelines:
    with warnings.catch_warnings():
        # Dagster's own loader makes metadata that Dagster calls beta, once for every asset.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return load_pipelines(DEFS_FOLDER)


def find_pipeline(name: str) -> Pipeline:
    """Return one declared pipeline.

    Raises
    ------
    UnknownPipelineError
        If there is none of that name, or its declaration is faulty.
    """
    loaded = _loaded()
    for pipeline in loaded.pipelines:
        if pipeline.name == name:
            return pipeline
    if name in loaded.faults:
        raise UnknownPipelineError(loaded.faults[name])
    known = ", ".join(pipeline.name for pipeline in loaded.pipelines) or "none"
    raise UnknownPipelineError(
        f"no pipeline '{name}' in pipelines/defs. Known: {known}. "
        f"`dg scaffold defs pipelines.MLPipeline {name}` makes one."
    )


def declared_pipelines() -> tuple[Pipeline, ...]:
    """Return every pipeline whose declaration is sound."""
    return tuple(_loaded().pipelines)


@cache
def code_location() -> dg.Definitions:
    """Merge every pipeline's assets with the sensors, schedules and resources that serve them."""
    loaded = _loaded()
    resources = connections(deployment(os.environ)).as_resources()
    return dg.Definitions.merge(
        loaded.definitions,
        automation(loaded.pipelines),
        dg.Definitions(resources=resources, executor=dg.in_process_executor),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load the code location."""
    return code_location()
