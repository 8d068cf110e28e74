"""Definitions for Feast's own commands: the objects of the pipeline that `DRIFTLINE_PIPELINE` names.

They are made from the declaration and the lake, as the assets make them, and know what the registry
knows to be loaded: Feast's `plan` compares that too. Nothing is written.
Without the variable there are none, and Feast refuses `feature_store.yaml` for want of a project.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipelines.loading.read import read
from resources.connections import connect
from resources.deployment import deployment
from resources.feature_store.objects import declared_objects, declared_project
from resources.project import project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from feast import Entity, FeatureView, Project


def objects_of(name: str, environment: Mapping[str, str]) -> Mapping[str, Entity | FeatureView | Project]:
    """Return a pipeline's Feast objects, by a name for each that is fit for this module."""
    pipeline = read(project(environment).defs / name)
    connections = connect(deployment(environment))
    entities, views = declared_objects(pipeline, connections.lake)
    if not views:
        return {}
    ranges = connections.feature_store.loaded_ranges(name)
    for view in views:
        view.materialization_intervals = ranges.get(view.name, [])
    return {
        "project": declared_project(pipeline),
        **{f"entity_{entity.name}": entity for entity in entities},
        **{f"view_{view.name}": view for view in views},
    }


if "DRIFTLINE_PIPELINE" in os.environ:
    # Feast looks for objects among the module's names.
    globals().update(objects_of(os.environ["DRIFTLINE_PIPELINE"], os.environ))
