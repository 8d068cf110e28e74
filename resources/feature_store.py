"""Feast: views registered, joined point in time, loaded and read online."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg
import pyarrow as pa

from pipelines.spec import DriftlineError, PipelineSpec
from pipelines.windows import Window
from resources.lake import Lake

if TYPE_CHECKING:
    import feast
    from feast import Entity, FeatureView

    from feature_repo.objects import StoredView

ROW_COLUMNS = ("row_id", "event_timestamp")
REQUEST_PREFIX = "request__"
ONLINE_WRITE_BATCH_SIZE = 10_000


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


@dataclass(frozen=True)
class OnlineValues:
    """What is served for one entity.

    Attributes
    ----------
    values
        Feature values; None where unknown, or older than the view's ttl.
    event_timestamp
        Instant of the stored values; None when the entity is unknown.
    age
        How old they are.
    is_expired
        Whether the ttl has passed, so that the values are withheld.
    """

    values: Mapping[str, Any]
    event_timestamp: datetime | None
    age: timedelta | None
    is_expired: bool


class FeatureStore(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """One Feast project per pipeline, over the lake's feature tables."""

    registry_url: str
    """SQLAlchemy URL of Feast's registry: the file registry loses views under several writers."""
    online_path: str
    """SQLite file of the online store."""
    memory_limit: str = "2GB"
    """Memory of one join before it spills to disk."""
    threads: int = 2
    """Threads of one join."""
    spill_directory: str = ""
    """Folder for what does not fit in memory."""

    def apply(self, pipeline: Declared, lake: Lake) -> None:
        """Register the views that have rows; delete what the declaration no longer names.

        Nothing is done when the registry already holds the same objects.
        """
        stored = _stored_views(pipeline, lake)
        mark = _fingerprint(pipeline.spec, stored)
        store = self._store(pipeline.name)
        if _applied_mark(store) == mark:
            return
        entities, views = declared_objects(pipeline, lake)
        store.apply(
            [*entities, *views], objects_to_delete=_unnamed(store, [*entities, *views]), partial=False
        )

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
        stored = _stored_views(pipeline, lake)
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
            for feature in _features(pipeline.spec, view, found)
        ]
        with pinned({stored[view].path: version for view, version in versions.items()}):
            job = self._store(pipeline.name).get_historical_features(
                entity_df=rows,  # our store takes Arrow, Feast hands it on
                features=references,
                full_feature_names=True,
            )
            found: pa.Table = job.to_arrow()
        return found

    def load_online(self, pipeline: Declared, view: str, window: Window, lake: Lake) -> int:
        """Load one partition of a view into the online store; return the rows (entities) loaded.

        Feast's own watermark is not used: it skips late rows.
        """
        from feature_repo.snapshots import pinned

        snapshot = lake.snapshot(pipeline.table("features", view))
        if not snapshot.rows_by_partition.get(window.key):
            return 0
        store = self._store(pipeline.name)
        path = str(lake.table_path(snapshot.table))
        with pinned({path: snapshot.version}), _quietly():
            # Feast's range is closed at both ends, a partition's is not.
            end = window.end - timedelta(microseconds=1)
            store.materialize(start_date=window.start, end_date=end, feature_views=[view])
        return _n_entities(lake, pipeline, view, window)

    def read_online(
        self, pipeline: Declared, view: str, keys: Sequence[Mapping[str, Any]], now: datetime
    ) -> list[OnlineValues]:
        """Read the newest values of some entities, withholding those older than the view's ttl.

        Raises
        ------
        FeatureStoreError
            If the view is not registered, or the keys are not its entity's.
        """
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey

        store = self._store(pipeline.name)
        feature_view = _registered(store, view)
        types = {column.name: column.dtype.to_value_type() for column in feature_view.entity_columns}
        for key in keys:
            if set(key) != set(types):
                raise FeatureStoreError(
                    f"feature view '{view}' is read by {', '.join(types)}, not by {', '.join(key) or 'nothing'}."
                )
        wanted = [
            EntityKey(
                join_keys=sorted(key),
                entity_values=[_value(key[name], types[name]) for name in sorted(key)],
            )
            for key in keys
        ]
        names = [feature.name for feature in feature_view.features]
        found = store._get_provider().online_read(store.config, feature_view, wanted, names)
        return [_served(at, values, names, feature_view.ttl, now) for at, values in found]

    def _store(self, project: str) -> feast.FeatureStore:
        return _open_store(
            project,
            self.registry_url,
            self.online_path,
            self.memory_limit,
            self.threads,
            self.spill_directory,
        )


def declared_objects(pipeline: Declared, lake: Lake) -> tuple[Sequence[Entity], Sequence[FeatureView]]:
    """Return a pipeline's entities and feature views as they are registered; views without a table are left out."""
    from feature_repo.objects import feast_objects

    stored = _stored_views(pipeline, lake)
    return feast_objects(pipeline.spec, stored, tags={"driftline": _fingerprint(pipeline.spec, stored)})


@lru_cache(maxsize=8)
def _open_store(
    project: str, registry_url: str, online_path: str, memory_limit: str, threads: int, spill_directory: str
) -> feast.FeatureStore:
    """Open a project once per process: opening reads the whole registry."""
    os.environ.setdefault("FEAST_USAGE", "False")
    with _without_typeguard():
        import feast
        from feast.repo_config import RepoConfig

        import feature_repo.asof_store
        import feature_repo.online_sqlite  # noqa: F401 (Feast loads both by name: pay for the import here)
    for path in (registry_url.removeprefix("sqlite:///"), online_path):
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=project,
        provider="local",
        registry={
            "registry_type": "sql",
            "path": registry_url,
            "cache_ttl_seconds": 60,
            "cache_mode": "sync",
        },
        offline_store={
            "type": "feature_repo.asof_store.AsofOfflineStore",
            "memory_limit": memory_limit,
            "threads": threads,
            "spill_directory": spill_directory,
        },
        online_store={"type": "feature_repo.online_sqlite.OrderedSqliteOnlineStore", "path": online_path},
        materialization={
            "pull_latest_features": True,
            "online_write_batch_size": ONLINE_WRITE_BATCH_SIZE,
        },
        entity_key_serialization_version=3,
    )
    return feast.FeatureStore(config=config)


def _undecorated(target: Any = None, **_: Any) -> Any:
    return _undecorated if target is None else target


@contextmanager
def _without_typeguard() -> Iterator[None]:
    """Make typeguard's decorator do nothing while Feast is imported: it quadruples the import."""
    import typeguard

    decorator = typeguard.typechecked
    typeguard.typechecked = _undecorated
    try:
        yield
    finally:
        typeguard.typechecked = decorator


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Feast's progress bars and notices off the terminal of a run."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _stored_views(pipeline: Declared, lake: Lake) -> Mapping[str, StoredView]:
    from feature_repo.objects import StoredView

    tables = {name: pipeline.table("features", name) for name in pipeline.spec.features}
    return {
        name: StoredView(str(lake.table_path(table)), lake.snapshot(table).schema)
        for name, table in tables.items()
        if lake.has(table)
    }


def _features(spec: PipelineSpec, view: str, stored: StoredView) -> list[str]:
    known = {*spec.entities[spec.features[view].entity], "event_timestamp", "created_timestamp"}
    return [name for name in stored.schema.names if name not in known]


def _fingerprint(spec: PipelineSpec, stored: Mapping[str, StoredView]) -> str:
    facts = {
        name: [
            spec.features[name].model_dump(mode="json"),
            list(spec.entities[spec.features[name].entity]),
            found.path,
            str(found.schema),
        ]
        for name, found in sorted(stored.items())
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _applied_mark(store: feast.FeatureStore) -> str | None:
    views = store.list_feature_views(allow_cache=True)
    marks = {view.tags.get("driftline") for view in views}
    return marks.pop() if len(marks) == 1 else None


def _registered(store: feast.FeatureStore, view: str) -> FeatureView:
    from feast.errors import FeatureViewNotFoundException

    try:
        return store.get_feature_view(view)
    except FeatureViewNotFoundException as error:
        known = ", ".join(sorted(found.name for found in store.list_feature_views())) or "none"
        raise FeatureStoreError(
            f"feature view '{view}' is not registered. Registered views: {known}. Materialize the view first."
        ) from error


def _unnamed(store: feast.FeatureStore, wanted: Sequence[Entity | FeatureView]) -> list[Any]:
    """List what is registered of the views, sources and entities that are no longer wanted."""
    from feast import FeatureView

    views = [found for found in wanted if isinstance(found, FeatureView)]
    sources = {view.batch_source.name for view in views if view.batch_source}
    names = {found.name for found in wanted}
    return [
        *(view for view in store.list_feature_views() if view.name not in names),
        *(source for source in store.list_data_sources() if source.name not in sources),
        # Feast's own entity for views without one stays.
        *(e for e in store.list_entities() if e.name not in names and e.name != "__dummy"),
    ]


def _n_entities(lake: Lake, pipeline: Declared, view: str, window: Window) -> int:
    import duckdb

    from pipelines.sql import quote_identifier
    from resources.lake import scan

    snapshot = lake.snapshot(pipeline.table("features", view))
    keys = ", ".join(map(quote_identifier, pipeline.spec.entities[pipeline.spec.features[view].entity]))
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {scan(snapshot, [window.key])})"
        return int(connection.sql(query).fetchall()[0][0])


def _value(value: Any, kind: Any) -> Any:
    from feast.type_map import python_values_to_proto_values

    return python_values_to_proto_values([value], kind)[0]


def _served(
    at: datetime | None,
    values: Mapping[str, Any] | None,
    names: Sequence[str],
    ttl: timedelta | None,
    now: datetime,
) -> OnlineValues:
    from feast.type_map import feast_value_type_to_python_type

    if at is None or values is None:
        return OnlineValues(dict.fromkeys(names), None, None, is_expired=False)
    instant = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    age = now - instant
    if ttl and age > ttl:
        return OnlineValues(dict.fromkeys(names), instant, age, is_expired=True)
    plain = {
        name: feast_value_type_to_python_type(values[name]) if name in values else None for name in names
    }
    return OnlineValues(plain, instant, age, is_expired=False)
