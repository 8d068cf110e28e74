"""Definitions: everything that Dagster loads from this code location."""

from __future__ import annotations

import os
import warnings
from functools import cache

import dagster as dg

from pipelines.automation import automation
from pipelines.component import LoadedPipelines, load_pipelines
from resources.connections import connections
from resources.deployment import deployment
from resources.project import project


@cache
def _loaded() -> LoadedPipelines:
    with warnings.catch_warnings():
        # Dagster's own loader makes metadata that Dagster calls beta, once for every asset.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return load_pipelines(project(os.environ).defs)


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
