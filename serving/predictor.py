"""Predictor: the one call of a serving application, with features as in training and the champion's scores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP
from declaration.pipeline import Pipeline
from declaration.target_sql import REQUEST_PREFIX, request_columns
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes
from learning.scores import scored_columns
from learning.threads import limited_threads
from resources.connections import Connections
from resources.feature_store.objects import feature_columns, stored_views
from resources.feature_store.online.rows import answers_for
from resources.feature_store.online.served_log import ServedLog
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake
from resources.model_registry.champion import champion_file, champion_version
from serving.forecast_rows import with_forecast_columns
from serving.request_features import request_features
from serving.request_rows import RequestColumns, row_columns, typed_rows

if TYPE_CHECKING:
    import duckdb

INSTANT_TYPE = pa.timestamp("us", tz="UTC")


class ServingError(DriftlineError):
    """A pipeline cannot be asked, or not in this way."""


@dataclass(frozen=True)
class ServedFeatures:
    """Features that the champion reads of some rows, in their order.

    Attributes
    ----------
    table
        The training set's feature columns, with its names, order and types: `<view>__<feature>` and
        `request__<name>`, sorted. Null where nothing is known, never an error.
    status
        For each `<view>__<feature>` its `FeatureStatus`, as texts, n rows.
    ages
        For each view how old its values are: durations in microseconds, n rows; null where there are none.
    now
        The instant of the question.
    """

    table: pa.Table
    status: pa.Table
    ages: pa.Table
    now: datetime


@dataclass(frozen=True)
class Prediction:
    """Predictions of the champion for some rows, with what it read.

    Attributes
    ----------
    scores
        `score`, or `scores` and `prediction` of many classes, as in the lake's predictions; n rows.
    model_version
        The champion's.
    features
        What it read.
    """

    scores: pa.Table
    model_version: int
    features: ServedFeatures


@dataclass(frozen=True)
class Champion:
    """The model that serves."""

    version: int
    model: FittedModel


@dataclass(frozen=True)
class Serving:
    """A pipeline that is ready to predict, by any number of threads; what every call needs was read once.

    Attributes
    ----------
    pipeline
        Whose target is asked about.
    columns
        What has to be given.
    champion
        The model that served when this was opened; None before the first promotion.
    views
        For each feature view its keys and features, typed as in the lake.
    request_types
        The types that request features have in training, where there is training already.
    lake, store, database
        Where the ledger, the online values and the engine are, open as long as this is.
    """

    pipeline: Pipeline
    columns: RequestColumns
    champion: Champion | None
    views: Mapping[str, pa.Schema]
    request_types: Mapping[str, pa.DataType]
    lake: Lake
    store: FeatureStore
    database: duckdb.DuckDBPyConnection

    def features(self, rows: pa.Table, now: datetime, *, log: ServedLog | None = None) -> ServedFeatures:
        """Return the features of rows at an instant, as the training set would have them.

        Parameters
        ----------
        rows
            Rows of the target's dataset, without label: what `columns.readers` names, of any type that casts to
            the declared one. Entities may repeat, be unknown or null.
        now
            The instant of the question, with its zone: what ages are counted to.
        log
            Where to note what is served, so that it can be compared with the offline join.

        Raises
        ------
        AskedRowsError
            If the rows lack a column, have an unknown one, or a value of another type.
        LabelError
            If a request feature cannot be computed of some value.
        FeatureStoreError
            If a view was never loaded.
        """
        if now.tzinfo is None:
            raise ServingError(f"the instant {now.isoformat()} has no zone. Give one, such as UTC.")
        with self.database.cursor() as connection:
            typed = typed_rows(connection, rows, self.columns)
            typed = with_forecast_columns(connection, typed, self.pipeline.spec, now)
            requested = request_features(connection, self.pipeline.spec.learned, typed)
        columns: dict[str, pa.Array | pa.ChunkedArray] = {
            name: requested[name].cast(self.request_types.get(name, requested[name].type))
            for name in requested.column_names
        }
        status: dict[str, pa.Array] = {}
        ages: dict[str, pa.Array] = {}
        for view, schema in self.views.items():
            answers = answers_for(self.store, self.pipeline, view, typed, now, schema=schema, log=log)
            columns |= {f"{view}__{name}": values for name, values in answers.values.items()}
            status |= {f"{view}__{name}": texts for name, texts in answers.status.items()}
            ages[view] = answers.age
        return ServedFeatures(
            table=pa.table({name: columns[name] for name in sorted(columns)}),
            status=pa.table({name: status[name] for name in sorted(status)}),
            ages=pa.table(ages),
            now=now.astimezone(UTC),
        )

    def score(self, rows: pa.Table, now: datetime, *, log: ServedLog | None = None) -> Prediction:
        """Return what the champion predicts for rows at an instant; see `features`.

        Raises
        ------
        ServingError
            If no model serves yet.
        """
        if self.champion is None:
            name = self.pipeline.name
            raise ServingError(
                f"pipeline '{name}' has no champion yet. Materialize {name}/training_set and {name}/model."
            )
        served = self.features(rows, now, log=log)
        instants = pa.array([served.now], INSTANT_TYPE).take(pa.array([0] * rows.num_rows, pa.int32()))
        scored = scored_columns(
            served.table.append_column(EVENT_TIMESTAMP, instants),
            self.champion.model,
            self.pipeline.spec.learned.problem,
        )
        return Prediction(pa.table(dict(scored)), self.champion.version, served)

    def is_current(self) -> bool:
        """Tell whether the champion is still the one that the ledger names; if not, open again."""
        return champion_version(self.lake, self.pipeline.name) == (
            self.champion.version if self.champion else None
        )


@contextmanager
def open_serving(pipeline: Pipeline, connections: Connections) -> Iterator[Serving]:
    """Open a pipeline for predictions; nothing is written, neither to the registry nor to the lake.

    While it is open, numeric libraries keep to the engine's threads in this process: a thread each for every
    caller's few rows costs more than it brings.

    Parameters
    ----------
    pipeline
        One with a target.
    connections
        Lake, stores and engine of the deployment.

    Raises
    ------
    ServingError
        If a declared view has no rows yet.
    ModelRegistryError, LedgerError
        If the champion's file is not the one that was judged.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    columns = row_columns(pipeline)
    views = _view_schemas(pipeline, connections.lake)
    champion_bytes = champion_file(connections.lake, connections.registry, pipeline.name)
    champion = (
        Champion(
            champion_bytes.version,
            model_from_bytes(champion_bytes.content, ledger_sha256=champion_bytes.sha256),
        )
        if champion_bytes
        else None
    )
    with ExitStack() as open_until:
        database = open_until.enter_context(connections.engine.connect())
        open_until.enter_context(limited_threads(connections.engine.threads))
        yield Serving(
            pipeline, columns, champion, views, _request_types(pipeline, connections.lake), connections.lake, connections.feature_store, database
        )  # fmt: skip


def _view_schemas(pipeline: Pipeline, lake: Lake) -> Mapping[str, pa.Schema]:
    spec = pipeline.spec
    stored = stored_views(pipeline, lake)
    missing = [name for name in spec.features if name not in stored]
    if missing:
        raise ServingError(
            f"feature views of '{pipeline.name}' without rows: {', '.join(missing)}. "
            f"Materialize {pipeline.name}/features/{missing[0]} first."
        )
    schemas = {}
    for name, view in stored.items():
        columns = [*spec.view_keys(name), *feature_columns(spec, name, view)]
        schemas[name] = pa.schema([view.schema.field(column) for column in columns])
    return schemas


def _request_types(pipeline: Pipeline, lake: Lake) -> Mapping[str, pa.DataType]:
    """Return the types that the lake keeps of request features: it has no unsigned numbers, for example."""
    table = pipeline.table("labels")
    if not request_columns(pipeline.spec.learned) or not lake.has(table):
        return {}
    return {f.name: f.type for f in lake.snapshot(table).schema if f.name.startswith(REQUEST_PREFIX)}
