"""A pipeline's views registered with Feast, by one process at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from resources.feature_store.changes import changes_between, shapes
from resources.feature_store.guard import refuse_loss
from resources.feature_store.objects import (
    Declared,
    applied_mark,
    declared_project,
    feast_objects_of,
    fingerprint,
    stored_views,
    unnamed,
)
from resources.lake.lake import Lake

if TYPE_CHECKING:
    import feast


def register(
    store: feast.FeatureStore,
    pipeline: Declared,
    lake: Lake,
    *,
    lock: AbstractContextManager[None],
    tracking_uri: str,
) -> None:
    """Register the views that have rows; delete what the declaration no longer names.

    Feast's `apply` writes object by object, and its version numbers, ranges and deletions follow from
    what it read before: two at once fail, or undo each other. So one runs at a time, and looks at the
    lake again when its turn comes: a view that another run has just made and registered is not deleted.

    Parameters
    ----------
    store
        Feast's project.
    pipeline
        Whose views.
    lake
        Where their rows are.
    lock
        The project's, on the registry: held while that is written. It is not taken where the registry holds the same objects already.
    tracking_uri
        MLflow's store, which knows what the champion reads.

    Raises
    ------
    FeatureChangeError
        If that would take from the champion what it reads; the registry stays as it is.
    """
    if applied_mark(store) == fingerprint(pipeline.spec, stored_views(pipeline, lake)):
        return
    with lock:
        store.refresh_registry()  # type: ignore[no-untyped-call]
        stored = stored_views(pipeline, lake)
        if applied_mark(store) == fingerprint(pipeline.spec, stored):
            return
        entities, views = feast_objects_of(pipeline.spec, stored)
        changes = changes_between(shapes(store.list_feature_views()), shapes(views))
        refuse_loss(pipeline.name, changes, lake, tracking_uri=tracking_uri)
        gone = unnamed(store, [*entities, *views])
        store.apply([declared_project(pipeline), *entities, *views], objects_to_delete=gone, partial=False)
