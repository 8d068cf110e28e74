"""Feast: views registered, joined point in time, loaded and read online."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from declaration.partitioning import Window
from resources.feature_store.changed_future import Counterfactual, join_with_changed_futures, views_as_read
from resources.feature_store.changes import FeatureChange, changes_between, shapes
from resources.feature_store.guard import refuse_loss
from resources.feature_store.objects import (
    Declared,
    FeatureStoreError,
    declared_objects,
    declared_shape,
    registered,
    stored_view,
    stored_views,
    view_snapshots,
)
from resources.feature_store.online.comparison import OnlineDifference, compare_rows
from resources.feature_store.online.loading import is_remembered, load_rows, newest_rows, remember_range
from resources.feature_store.online.reading import read_values
from resources.feature_store.online.served_log import ServedLog
from resources.feature_store.online.values import OnlineValues
from resources.feature_store.point_in_time import features_of, join_views
from resources.feature_store.project import open_project, registry_lock
from resources.feature_store.registration import register
from resources.lake.damage import damage_named
from resources.lake.lake import Lake, Snapshot
from resources.locks import SQLITE

if TYPE_CHECKING:
    import feast
    from feast import FeatureView


class FeatureStore(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """One Feast project per pipeline, over the lake's feature tables."""

    registry_url: str = ""
    """SQLAlchemy URL of Feast's registry, where no other is named."""
    registry_url_variable: str = ""
    """Environment variable that holds the registry's URL (`registry_settings`): it may hold a password."""
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

        Raises
        ------
        FeatureChangeError
            If that would take from the champion what it reads; the registry stays as it is.
        """
        store, lock = self._store(pipeline.name), self._lock(pipeline.name)
        register(store, pipeline, lake, lock=lock, tracking_uri=self.tracking_uri)

    def planned(self, pipeline: Declared, lake: Lake) -> tuple[FeatureChange, ...]:
        """List what `apply` would change; the registry is read only."""
        _, views = declared_objects(pipeline, lake)
        return changes_between(shapes(self._registered_views(pipeline.name)), shapes(views))

    def loaded_ranges(self, project: str) -> Mapping[str, list[tuple[datetime, datetime]]]:
        """Return the ranges of time that the registry knows to be loaded online, by view; it is read only."""
        return {view.name: [*view.materialization_intervals] for view in self._registered_views(project)}

    def _registered_views(self, project: str) -> Sequence[FeatureView]:
        url = self._registry_url()
        # Opening a registry makes it.
        is_there = not url.startswith(SQLITE) or Path(url.removeprefix(SQLITE)).exists()
        return self._store(project).list_feature_views() if is_there else []

    def planned_columns(
        self, pipeline: Declared, view: str, schema: pa.Schema, lake: Lake
    ) -> tuple[FeatureChange, ...]:
        """List what rows of a schema would change of a view's features that the lake holds."""
        stored = stored_views(pipeline, lake, [view]).get(view)
        if stored is None:
            return ()
        before, after = (
            declared_shape(pipeline.spec, view, columns, stored.path) for columns in (stored.schema, schema)
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
        joined, versions = self.features_in_turns(pipeline, [rows], lake)
        (features,) = joined
        return features, versions

    def features_in_turns(
        self, pipeline: Declared, turns: Iterable[pa.Table], lake: Lake
    ) -> tuple[Iterator[pa.Table], Mapping[str, int]]:
        """Join rows that come some at a time as `features_for` does, all with the same versions.

        Parameters
        ----------
        pipeline, lake
            As for `features_for`.
        turns
            The rows. Each turn reads the views from their beginning to its own last instant: a few large ones are cheaper than
            many small ones, and rows in the order of time cheaper than in another.

        Returns
        -------
        tuple
            The turns with their features, each made when it is asked for; and the Delta version read of each view's table.

        Raises
        ------
        FeatureStoreError
            If a declared view has no rows in the lake yet.
        """
        self.apply(pipeline, lake)
        snapshots = view_snapshots(pipeline, lake)
        missing = [name for name in pipeline.spec.features if name not in snapshots]
        if missing:
            raise FeatureStoreError(
                f"feature views without rows in the lake: {', '.join(missing)}. "
                f"Materialize {pipeline.name}/features/{missing[0]} first."
            )
        versions = {snapshot.table: snapshot.version for snapshot in snapshots.values()}
        return self._joined_turns(pipeline, turns, lake, snapshots), versions

    def _joined_turns(
        self, pipeline: Declared, turns: Iterable[pa.Table], lake: Lake, snapshots: Mapping[str, Snapshot]
    ) -> Iterator[pa.Table]:
        versions = {name: snapshot.version for name, snapshot in snapshots.items()}
        stored = {name: stored_view(snapshot, lake) for name, snapshot in snapshots.items()}
        scanned = [file for snapshot in snapshots.values() for file in snapshot.scanned]
        store = self._store(pipeline.name)
        for rows in turns:
            with damage_named(scanned):
                joined = join_views(store, pipeline.spec, rows, stored, versions)
            yield features_of(rows, joined)

    def features_with_changed_futures(
        self,
        pipeline: Declared,
        futures: Sequence[Counterfactual],
        lake: Lake,
        *,
        versions: Mapping[str, int],
    ) -> Sequence[pa.Table]:
        """Join rows as `features_for` does, over views of which everything after an instant is other.

        Parameters
        ----------
        pipeline, lake
            As for `features_for`.
        futures
            The rows, each with the instant after which all that happened or was made is changed.
        versions
            The Delta versions that it read.

        Returns
        -------
        Sequence[pa.Table]
            For each future `event_timestamp` and the views' features, in the order of its rows.
        """
        from feature_repo.asof_engine import EngineSettings

        views = views_as_read(pipeline, lake, versions)
        settings = EngineSettings(self.memory_limit, self.threads, self.spill_directory)
        return join_with_changed_futures(settings, futures, views)

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
        snapshot = view_snapshots(pipeline, lake, [view]).get(view)
        if snapshot is None:
            raise FeatureStoreError(
                f"feature view '{view}' has no rows in the lake. Materialize {pipeline.name}/features/{view} first."
            )
        registered(self._store(pipeline.name), view)
        stored, versions = {view: stored_view(snapshot, lake)}, {view: snapshot.version}
        return join_views(self._store(pipeline.name), pipeline.spec, rows, stored, versions), snapshot

    def load_online(self, pipeline: Declared, view: str, window: Window, lake: Lake) -> int:
        """Load one partition of a view into the online store; return the rows (entities) loaded.

        What is served of a later instant stays, so that partitions can be loaded in any order and
        any number of times. Feast's own watermark is not used: it skips late rows.

        Raises
        ------
        OnlineStoreError
            If the store does not take the rows. Loading again is harmless.
        """
        snapshot = lake.snapshot(pipeline.table("features", view))
        if not snapshot.rows_by_partition.get(window.key):
            return 0
        store = self._store(pipeline.name)
        feature_view = registered(store, view)
        keys = pipeline.spec.view_keys(view)
        with newest_rows(
            snapshot, window.key, keys, memory_limit=self.memory_limit, threads=self.threads,
            spill_directory=self.spill_directory,
        ) as batches:  # fmt: skip
            n_loaded = load_rows(store, feature_view, batches)
        if not is_remembered(feature_view, window):
            with self._lock(pipeline.name):
                remember_range(store, registered(store, view), window)
        return n_loaded

    def compare_online(self, pipeline: Declared, view: str, lake: Lake) -> OnlineDifference:
        """Compare what is served of every entity with its newest row in the lake; nothing is written.

        Raises
        ------
        FeatureStoreError
            If the view is not registered.
        """
        keys = pipeline.spec.view_keys(view)
        store = self._store(pipeline.name)
        with newest_rows(
            lake.snapshot(pipeline.table("features", view)), None, keys, memory_limit=self.memory_limit,
            threads=self.threads, spill_directory=self.spill_directory,
        ) as batches:  # fmt: skip
            return compare_rows(store, registered(store, view), batches)

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
            Where to note what is served, so that it can be compared with the offline join (`driftline skew`).

        Returns
        -------
        list
            What is served for each entity, in their order.

        Raises
        ------
        FeatureStoreError
            If the view is not registered, or the keys are not its entity's.
        """
        answers = read_values(self._store(pipeline.name), view, keys, now)
        if log is not None:
            log.add(view, keys, now, answers)
        return answers

    def _store(self, project: str) -> feast.FeatureStore:
        return open_project(
            project,
            registry_url=self._registry_url(),
            online_url=_of_variable(self.online_url_variable, "online store")
            or f"{SQLITE}{self.online_path}",
            memory_limit=self.memory_limit,
            threads=self.threads,
            spill_directory=self.spill_directory,
        )

    def _lock(self, project: str) -> AbstractContextManager[None]:
        return registry_lock(self._registry_url(), project)

    def _registry_url(self) -> str:
        return _of_variable(self.registry_url_variable, "feature registry") or self.registry_url


def _of_variable(name: str, place: str) -> str:
    """Read a URL from the environment; empty where no variable is named."""
    if name and name not in os.environ:
        raise FeatureStoreError(f"the variable {name} is not set. It holds the URL of the {place}.")
    return os.environ[name] if name else ""
