"""Feast: views registered, joined point in time, loaded and read online."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pyarrow as pa

from pipelines.windows import Window
from resources.changed_future import JoinedView, join_with_changed_future
from resources.feast_project import open_project
from resources.feature_changes import FeatureChange, changes_between, shapes
from resources.feature_guard import refuse_loss
from resources.feature_objects import (
    Declared,
    FeatureStoreError,
    applied_mark,
    declared_objects,
    declared_project,
    declared_shape,
    feature_columns,
    fingerprint,
    registered,
    stored_views,
    unnamed,
)
from resources.lake import Lake, Snapshot
from resources.online_loading import newest_rows
from resources.online_values import OnlineValues, served
from resources.served_log import ServedLog

if TYPE_CHECKING:
    import feast
    from feast import FeatureView

    from feature_repo.objects import StoredView
    from feature_repo.online_batch import OrderedStore

ROW_COLUMNS = ("row_id", "event_timestamp")
REQUEST_PREFIX = "request__"

VIEW_AGE_S = 60.0
"""How long a view that another process registers anew is read as it was: as long as Feast's registry caches."""


class FeatureStore(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """One Feast project per pipeline, over the lake's feature tables."""

    registry_url: str
    """SQLAlchemy URL of Feast's registry: the file registry loses views under several writers."""
    online_path: str
    """SQLite file of the online store, where no other is named."""
    online_url_variable: str = ""
    """Environment variable that holds the online store's URL (`online_settings`): it may hold a password."""
    memory_limit: str = "2GB"
    """Memory of one join before it spills to disk."""
    threads: int = 2
    """Threads of one join."""
    spill_directory: str = ""
    """Folder for what does not fit in memory."""
    tracking_uri: str = ""
    """MLflow's store, which knows what the champion reads; without it nothing is refused for its sake."""

    def apply(self, pipeline: Declared, lake: Lake) -> None:
        """Register the views that have rows; delete what the declaration no longer names.

        Nothing is done when the registry already holds the same objects.

        Raises
        ------
        FeatureChangeError
            If that would take from the champion what it reads; the registry stays as it is.
        """
        stored = stored_views(pipeline, lake)
        mark = fingerprint(pipeline.spec, stored)
        store = self._store(pipeline.name)
        if applied_mark(store) == mark:
            return
        entities, views = declared_objects(pipeline, lake)
        changes = changes_between(shapes(store.list_feature_views()), shapes(views))
        refuse_loss(pipeline.name, changes, lake, tracking_uri=self.tracking_uri)
        gone = unnamed(store, [*entities, *views])
        store.apply([declared_project(pipeline), *entities, *views], objects_to_delete=gone, partial=False)

    def planned(self, pipeline: Declared, lake: Lake) -> tuple[FeatureChange, ...]:
        """List what `apply` would change; the registry is read only."""
        _, views = declared_objects(pipeline, lake)
        return changes_between(shapes(self._registered_views(pipeline.name)), shapes(views))

    def loaded_ranges(self, project: str) -> Mapping[str, list[tuple[datetime, datetime]]]:
        """Return the ranges of time that the registry knows to be loaded online, by view; it is read only."""
        return {view.name: [*view.materialization_intervals] for view in self._registered_views(project)}

    def _registered_views(self, project: str) -> Sequence[FeatureView]:
        file = self.registry_url.removeprefix("sqlite:///")
        # Opening a registry makes it.
        is_there = file == self.registry_url or Path(file).exists()
        return self._store(project).list_feature_views() if is_there else []

    def planned_columns(
        self, pipeline: Declared, view: str, schema: pa.Schema, lake: Lake
    ) -> tuple[FeatureChange, ...]:
        """List what rows of a schema would change of a view's features that the lake holds."""
        stored = stored_views(pipeline, lake).get(view)
        if stored is None:
            return ()
        before, after = (
            declared_shape(pipeline.spec, view, found, stored.path) for found in (stored.schema, schema)
        )
        return changes_between({view: before}, {view: after})

    def refuse_columns(self, pipeline: Declared, view: str, schema: pa.Schema, lake: Lake) -> None:
        """Refuse rows whose columns lack, or have of another type, what the champion reads.

        The lake's table would keep a column that is gone, and fill it with nulls in silence.

        Raises
        ------
        FeatureChangeError
            With the columns.
        """
        changes = self.planned_columns(pipeline, view, schema, lake)
        refuse_loss(pipeline.name, changes, lake, tracking_uri=self.tracking_uri)

    def features_for(
        self, pipeline: Declared, rows: pa.Table, lake: Lake
    ) -> tuple[pa.Table, Mapping[str, int]]:
        """Join rows with every view as of their instants.

        Parameters
        ----------
        pipeline
            Whose views.
        rows
            `row_id`, `event_timestamp`, the entities' key columns and `request__*` columns.
        lake
            Where the views' rows are.

        Returns
        -------
        tuple
            `row_id`, `event_timestamp` and the features, sorted by name (`<view>__<feature>`,
            `request__<name>`), in the order of `rows`; and the Delta version read of each view's table.

        Raises
        ------
        FeatureStoreError
            If a declared view has no rows in the lake yet.
        """
        self.apply(pipeline, lake)
        stored = stored_views(pipeline, lake)
        missing = [name for name in pipeline.spec.features if name not in stored]
        if missing:
            raise FeatureStoreError(
                f"feature views without rows in the lake: {', '.join(missing)}. "
                f"Materialize {pipeline.name}/features/{missing[0]} first."
            )
        snapshots = {name: lake.snapshot(pipeline.table("features", name)) for name in stored}
        request = [name for name in rows.column_names if name.startswith(REQUEST_PREFIX)]
        joined = rows
        if stored:
            joined = self._joined(pipeline, rows, stored, {n: s.version for n, s in snapshots.items()})
        features = sorted([*request, *(n for n in joined.column_names if n not in rows.column_names)])
        versions = {snapshot.table: snapshot.version for snapshot in snapshots.values()}
        return joined.select([*ROW_COLUMNS, *features]), versions

    def _joined(
        self,
        pipeline: Declared,
        rows: pa.Table,
        stored: Mapping[str, StoredView],
        versions: Mapping[str, int],
    ) -> pa.Table:
        from feature_repo.snapshots import pinned

        references = [
            f"{view}:{feature}"
            for view, found in stored.items()
            for feature in feature_columns(pipeline.spec, view, found)
        ]
        with pinned({stored[view].path: version for view, version in versions.items()}):
            job = self._store(pipeline.name).get_historical_features(
                entity_df=rows,  # our store takes Arrow, Feast hands it on
                features=references,
                full_feature_names=True,
            )
            found: pa.Table = job.to_arrow()
        return found

    def features_with_changed_future(
        self,
        pipeline: Declared,
        rows: pa.Table,
        lake: Lake,
        *,
        versions: Mapping[str, int],
        instant: datetime,
    ) -> pa.Table:
        """Join rows as `features_for` does, over views of which everything after an instant is other.

        Parameters
        ----------
        pipeline, rows, lake
            As for `features_for`.
        versions
            The Delta versions that it read.
        instant
            What happened or was made after it is changed.

        Returns
        -------
        pa.Table
            `event_timestamp` and the views' features, in the order of `rows`.
        """
        from feature_repo.asof_engine import EngineSettings

        spec = pipeline.spec
        views = []
        for name, stored in stored_views(pipeline, lake).items():
            table = pipeline.table("features", name)
            view = spec.features[name]
            columns = tuple(feature_columns(spec, name, stored))
            snapshot = lake.snapshot(table, versions[table])
            views.append(JoinedView(name, snapshot, spec.entities[view.entity], columns, view.ttl))
        settings = EngineSettings(self.memory_limit, self.threads, self.spill_directory)
        return join_with_changed_future(settings, rows, views, instant)

    def joined(self, pipeline: Declared, view: str, rows: pa.Table, lake: Lake) -> tuple[pa.Table, Snapshot]:
        """Join rows with one view, as training sets are joined; the registry is read only.

        Parameters
        ----------
        pipeline
            Whose view.
        view
            The view's name.
        rows
            `event_timestamp`, the view's key columns, and columns to keep.
        lake
            Where the view's rows are.

        Returns
        -------
        tuple
            The rows with the view's features as `<view>__<feature>`, and the snapshot that was read.

        Raises
        ------
        FeatureStoreError
            If the view has no rows in the lake, or is not registered.
        """
        stored = stored_views(pipeline, lake).get(view)
        if stored is None:
            raise FeatureStoreError(
                f"feature view '{view}' has no rows in the lake. Materialize {pipeline.name}/features/{view} first."
            )
        registered(self._store(pipeline.name), view)
        snapshot = lake.snapshot(pipeline.table("features", view))
        return self._joined(pipeline, rows, {view: stored}, {view: snapshot.version}), snapshot

    def load_online(self, pipeline: Declared, view: str, window: Window, lake: Lake) -> int:
        """Load one partition of a view into the online store; return the rows (entities) loaded.

        What is served of a later instant stays, so that partitions can be loaded in any order and
        any number of times. Feast's own watermark is not used: it skips late rows.

        Raises
        ------
        OnlineStoreError
            If the store does not take the rows. Loading again is harmless.
        """
        from feature_repo.online_batch import batch_of_table

        snapshot = lake.snapshot(pipeline.table("features", view))
        if not snapshot.rows_by_partition.get(window.key):
            return 0
        store = self._store(pipeline.name)
        found = registered(store, view)
        online: OrderedStore = cast(Any, store._get_provider()).online_store
        keys = pipeline.spec.entities[pipeline.spec.features[view].entity]
        n_loaded = 0
        with newest_rows(
            snapshot, window.key, keys, memory_limit=self.memory_limit, threads=self.threads,
            spill_directory=self.spill_directory,
        ) as batches:  # fmt: skip
            for rows in batches:
                online.write(store.config, found, batch_of_table(found, rows))
                n_loaded += rows.num_rows
        self._remember(store, found, window)
        return n_loaded

    def _remember(self, store: feast.FeatureStore, view: FeatureView, window: Window) -> None:
        """Tell Feast's registry, for its own commands and pages, which range was loaded; once."""
        # Feast's range is closed at both ends, a partition's is not.
        start, end = window.start, window.end - timedelta(microseconds=1)
        if not any(first <= start and end <= last for first, last in view.materialization_intervals):
            store.registry.apply_materialization(view, store.project, start, end)

    def read_online(
        self,
        pipeline: Declared,
        view: str,
        keys: Sequence[Mapping[str, Any]],
        now: datetime,
        *,
        log: ServedLog | None = None,
    ) -> list[OnlineValues]:
        """Read the newest values of some entities, withholding those older than the view's ttl.

        Parameters
        ----------
        pipeline
            Whose view.
        view
            The view's name.
        keys
            The entities, each by all of the view's join keys.
        now
            The instant of the question: what ages are counted to.
        log
            Where to note what is served, so that it can be compared with the offline join (`pipelines.skew`).

        Returns
        -------
        list
            What is served for each entity, in their order.

        Raises
        ------
        FeatureStoreError
            If the view is not registered, or the keys are not its entity's.
        """
        store = self._store(pipeline.name)
        feature_view = _recent_view(store, view, int(time.monotonic() // VIEW_AGE_S))
        types = {column.name: column.dtype.to_value_type() for column in feature_view.entity_columns}
        for key in keys:
            if set(key) != set(types):
                raise FeatureStoreError(
                    f"feature view '{view}' is read by {', '.join(types)}, not by {', '.join(key) or 'nothing'}."
                )
        wanted = _entity_keys(keys, types)
        names = [feature.name for feature in feature_view.features]
        # Feast's Redis store appends to the list that it is given.
        found = store._get_provider().online_read(store.config, feature_view, wanted, names.copy())
        answers = [served(at, values, names, ttl=feature_view.ttl, now=now) for at, values in found]
        if log is not None:
            log.add(view, keys, now, answers)
        return answers

    def _store(self, project: str) -> feast.FeatureStore:
        return open_project(
            project,
            registry_url=self.registry_url,
            online_url=self._online_url(),
            memory_limit=self.memory_limit,
            threads=self.threads,
            spill_directory=self.spill_directory,
        )

    def _online_url(self) -> str:
        name = self.online_url_variable
        if not name:
            return f"sqlite:///{self.online_path}"
        if name not in os.environ:
            raise FeatureStoreError(f"the variable {name} is not set. It holds the URL of the online store.")
        return os.environ[name]


@lru_cache(maxsize=256)
def _recent_view(store: feast.FeatureStore, view: str, age: int) -> FeatureView:  # noqa: ARG001 (part of the key)
    """Return a view as it was registered lately: making it from the registry costs more than a read."""
    return registered(store, view)


def _entity_keys(keys: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> list[Any]:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.type_map import python_values_to_proto_values

    names = sorted(types)
    columns = [python_values_to_proto_values([key[name] for key in keys], types[name]) for name in names]
    return [EntityKey(join_keys=names, entity_values=values) for values in zip(*columns, strict=True)]
