"""The one door: everything that Dagster loads from this code location."""

import os
from functools import cache
from pathlib import Path

import dagster as dg

from assets.materialization import Pipeline
from pipelines.automation import automation
from pipelines.component import MLPipeline, component_tree
from pipelines.spec import DriftlineError
from resources.connections import connections
from resources.deployment import deployment

DEFS_FOLDER = Path(__file__).resolve().parent / "defs"


@cache
def _tree() -> dg.ComponentTree:
    return component_tree()


@cache
def declared_pipelines() -> tuple[Pipeline, ...]:
    """List the declarations without fault, by name."""
    components = _tree().get_all_components(of_type=MLPipeline)
    found = [component.pipeline for component in components if component.pipeline is not None]
    return tuple(sorted(found, key=lambda pipeline: pipeline.name))


def find_pipeline(name: str) -> Pipeline:
    """Return one declared pipeline.

    Raises
    ------
    DriftlineError
        If there is none of that name, or its declaration is faulty.
    """
    for pipeline in declared_pipelines():
        if pipeline.name == name:
            return pipeline
    known = ", ".join(pipeline.name for pipeline in declared_pipelines()) or "none"
    raise DriftlineError(
        f"no pipeline '{name}' in {DEFS_FOLDER}. Sound declarations: {known}. "
        f"`dg check defs` lists the faults of the others."
    )


@cache
def code_location() -> dg.Definitions:
    """Merge every pipeline's assets with the sensors, schedules and resources that serve them."""
    to = connections(deployment(os.environ))
    return dg.Definitions.merge(
        _tree().build_defs(),
        automation(declared_pipelines()),
        dg.Definitions(resources=to.as_resources(), executor=dg.in_process_executor),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load the code location."""
    return code_location()
