"""A pipeline's Feast objects: as declared, as registered, and what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.spec import PipelineSpec
from resources.feature_store.changes import ViewShape
from resources.lake.lake import Lake, Snapshot

if TYPE_CHECKING:
    import feast
    from feast import Entity, FeatureView, Project

    from feature_repo.objects import StoredView


class FeatureStoreError(DriftlineError):
    """The feature store cannot register, join or serve what is asked."""


class Declared(Protocol):
    """A declaration that has been read."""

    @property
    def name(self) -> str:
        """Its name: Feast's project."""

    @property
    def spec(self) -> PipelineSpec:
        """Its values."""

    def table(self, stage: str, name: str | None = None) -> str:
        """Return the lake's table of a stage."""


def declared_objects(pipeline: Declared, lake: Lake) -> tuple[Sequence[Entity], Sequence[FeatureView]]:
    """Return a pipeline's entities and feature views as they are registered; views without a table are left out."""
    return feast_objects_of(pipeline.spec, stored_views(pipeline, lake))


def feast_objects_of(
    spec: PipelineSpec, stored: Mapping[str, StoredView]
) -> tuple[Sequence[Entity], Sequence[FeatureView]]:
    """Return the entities and feature views of what is stored, marked with what they are made from."""
    from feature_repo.objects import feast_objects

    return feast_objects(spec, stored, tags={"driftline": fingerprint(spec, stored)})


def declared_project(pipeline: Declared) -> Project:
    """Return a pipeline's project as it is registered: Feast's pages show its description."""
    from feature_repo.objects import feast_project

    return feast_project(pipeline.name, pipeline.spec)


def stored_views(
    pipeline: Declared, lake: Lake, views: Collection[str] | None = None
) -> Mapping[str, StoredView]:
    """Return which views, of some or of all, have a table in the lake: where it is, and its columns."""
    return {
        name: stored_view(snapshot, lake) for name, snapshot in view_snapshots(pipeline, lake, views).items()
    }


def view_snapshots(
    pipeline: Declared, lake: Lake, views: Collection[str] | None = None
) -> Mapping[str, Snapshot]:
    """Pin the newest version of the table of each view, of some or of all, that has one."""
    names = pipeline.spec.features if views is None else views
    tables = {name: pipeline.table("features", name) for name in names}
    return {name: lake.snapshot(table) for name, table in tables.items() if lake.has(table)}


def stored_view(snapshot: Snapshot, lake: Lake) -> StoredView:
    """Return where a view's table is, and its columns in that version."""
    from feature_repo.objects import StoredView

    return StoredView(str(lake.table_path(snapshot.table)), snapshot.schema)


def feature_columns(spec: PipelineSpec, view: str, stored: StoredView) -> list[str]:
    """Name a view's features: its columns but for the keys and the instants."""
    keys = {*spec.view_keys(view), "event_timestamp", "created_timestamp"}
    return [name for name in stored.schema.names if name not in keys]


def declared_shape(spec: PipelineSpec, view: str, schema: pa.Schema, path: str) -> ViewShape:
    """Return what readers rely on of a view with a table's columns."""
    from feature_repo.objects import feast_type_name

    keys = spec.view_keys(view)
    types = {
        f.name: feast_type_name(f) for f in schema if f.name not in ("event_timestamp", "created_timestamp")
    }
    return ViewShape(
        features={name: kind for name, kind in types.items() if name not in keys},
        keys={name: kind for name, kind in types.items() if name in keys},
        ttl=spec.features[view].ttl or timedelta(0),
        path=path,
    )


def fingerprint(spec: PipelineSpec, stored: Mapping[str, StoredView]) -> str:
    """Return a digest of all that the Feast objects are made from."""
    views = {
        name: [
            spec.features[name].model_dump(mode="json"),
            list(spec.view_keys(name)),
            view.path,
            str(view.schema),
        ]
        for name, view in sorted(stored.items())
    }
    facts = [views, spec.description, list(spec.owners), dict(spec.tags)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def applied_mark(store: feast.FeatureStore) -> str | None:
    """Return the digest that the registered views carry; None where they carry several, or none."""
    views = store.list_feature_views(allow_cache=True)
    marks = {view.tags.get("driftline") for view in views}
    return marks.pop() if len(marks) == 1 else None


def registered(store: feast.FeatureStore, view: str) -> FeatureView:
    """Return a view from the registry.

    Raises
    ------
    FeatureStoreError
        If it is not there.
    """
    from feast.errors import FeatureViewNotFoundException

    try:
        return store.get_feature_view(view)
    except FeatureViewNotFoundException as error:
        registered_names = ", ".join(sorted(view.name for view in store.list_feature_views())) or "none"
        raise FeatureStoreError(
            f"feature view '{view}' is not registered. Registered views: {registered_names}. Materialize the view first."
        ) from error


def unnamed(store: feast.FeatureStore, objects: Sequence[Entity | FeatureView]) -> list[Any]:
    """List what is registered of the views, sources and entities that are no longer wanted."""
    from feast import FeatureView

    views = [item for item in objects if isinstance(item, FeatureView)]
    sources = {view.batch_source.name for view in views if view.batch_source}
    names = {item.name for item in objects}
    return [
        *(view for view in store.list_feature_views() if view.name not in names),
        *(source for source in store.list_data_sources() if source.name not in sources),
        # Feast's own entity for views without one stays.
        *(e for e in store.list_entities() if e.name not in names and e.name != "__dummy"),
    ]
