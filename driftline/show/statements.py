"""SQL of each stage as it runs: formed by the stages' own functions, on what they read of one partition.

Where a statement follows from data (bins, bounds, types), the stage's function is run on the partition and
its statements are written down; nothing is written to the lake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.monitor_asset import monitored_columns, reference_partitions
from assets.drift_report.window_inputs import examine_window
from assets.features.view_sql import filled, kept_to_window
from assets.training_set.selection import known_labels, sampled, training_windows
from declaration.errors import DriftlineError
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, queries_behind
from declaration.sources.python import PYTHON
from declaration.sql import quote_identifier
from declaration.target_sql import label_query
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from driftline.show.assets import place_of
from driftline.show.recording import Recording
from expectations.literals import kind_of
from expectations.rows import RowRules
from feature_repo.asof_engine import ENTITIES, FOUND, LABELS, NEWEST
from feature_repo.asof_newest import newest_instants
from feature_repo.asof_sql import (
    Labels,
    ViewRows,
    coded_labels_query,
    entities_query,
    fetch_query,
    instants_query,
    newest_query,
)
from pipelines.graph.stores import DagsterStores
from resources.connections import Connections
from resources.feature_store.changed_future import views_as_read
from resources.lake.lake import scan
from resources.lake.views import register_tables
from resources.model_registry.champion import champion_version
from sources.opening import asked_window, opened, readable
from sources.read import read_files

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Statement:
    """One statement of a stage.

    Attributes
    ----------
    title
        What it does.
    built_by
        The function that forms it, or the line that runs it: `file:line name`.
    sql
        The text; None where it cannot be shown.
    reason
        Why it cannot be shown; '' where it is.
    """

    title: str
    built_by: str
    sql: str | None
    reason: str = ""


def statements(
    pipeline: Pipeline, path: Sequence[str], window: Window | None, connections: Connections
) -> tuple[Statement, ...]:
    """Return the SQL of an asset for one partition.

    Parameters
    ----------
    pipeline, path
        Whose, and the asset's key without the pipeline.
    window
        The partition; None where none has ended or been run.
    connections
        Where the data is.
    """
    form = _STAGES[path[0]]
    if window is None:
        return (
            Statement(
                "all of it",
                place_of(form),
                None,
                "no partition has been run yet: nothing tells files and types",
            ),
        )
    try:
        return tuple(form(pipeline, path[-1], window, connections))
    except DriftlineError as error:
        reason = " ".join(str(error).split())
        return (Statement("all of it", place_of(form), None, reason),)


def _recorded(recording: Recording, title: str) -> Iterator[Statement]:
    """Give what was run since the last time."""
    for number, statement in enumerate(recording.statements, start=1):
        yield Statement(f"{title}, {number} of {len(recording.statements)}", statement.place, statement.sql)
    recording.statements.clear()


def _raw(pipeline: Pipeline, name: str, window: Window, connections: Connections) -> Iterator[Statement]:
    dataset = pipeline.spec.datasets[name]
    source, scratch = dataset.source, Path(connections.engine.spill_directory)
    if not source.is_local:
        why = "is called" if (source.code_file or "").endswith(PYTHON) else "is fetched"
        yield Statement(
            "read the source",
            place_of(read_files),
            None,
            f"the source {why} first, which a look does not do: {source.place}. Files and types follow from it",
        )
        return
    partition, upstream = window.key if dataset.is_partitioned else None, pipeline.upstream.get(name)
    with (
        opened(
            source,
            folder=Path(pipeline.folder),
            scratch=scratch,
            partition=partition,
            asked=asked_window(dataset, pipeline.spec.partitions, window, upstream),
            partitions=pipeline.spec.partitions,
            upstream=upstream,
            stores=DagsterStores(connections.lake),
        ) as now,
        connections.engine.connect(reads=now.files) as connection,
        readable(connection, now.files, dataset, scratch) as plain,
    ):
        recording = Recording(connection)
        zone = pipeline.spec.partitions.timezone
        read_files(recording.connection, plain, dataset, name=name, timezone=zone, found=now.files)
        yield from _recorded(recording, "read the source")


def _profiled(pipeline: Pipeline, name: str, window: Window, connections: Connections) -> Iterator[Statement]:
    dataset = pipeline.spec.datasets[name]
    relation = scan(
        connections.lake.snapshot(pipeline.table("raw", name)),
        [window.key] if dataset.is_partitioned else None,
    )
    with connections.engine.connect() as connection:
        described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
        kinds = {
            column: kind_of(str(kind))
            for column, kind in zip(described.columns, described.types, strict=True)
        }
        recording = Recording(connection)
        if dataset.expectations:
            connections.validation.validate_rows(recording.connection, relation, dataset)
            yield from _recorded(recording, "judge the expectations")
    rules = RowRules.of(dataset.expectations, kinds)
    yield Statement("rows that pass", place_of(RowRules.passing), rules.passing(relation))
    yield Statement("rows for quarantine", place_of(RowRules.quarantined), rules.quarantined(relation))


def _features(pipeline: Pipeline, name: str, window: Window, connections: Connections) -> Iterator[Statement]:
    view = pipeline.spec.features[name]
    sql, keys = pipeline.sql[view.sql], pipeline.spec.view_keys(name)
    with connections.engine.connect() as connection:
        yield from _registered(
            pipeline, sql, connections, connection, window, start=window.start - view.lookback
        )
        query = kept_to_window(sql, window)
        schema = connection.sql(f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table().schema
    yield Statement("rows of the view", place_of(filled), filled("driftline_view_rows", query, schema, keys))


def _labels(pipeline: Pipeline, _: str, window: Window, connections: Connections) -> Iterator[Statement]:
    target = pipeline.spec.learned
    sql = f"SELECT * FROM {quote_identifier(target.dataset)}"
    with connections.engine.connect() as connection:
        yield from _registered(
            pipeline, sql, connections, connection, window, end=window.end + target.label_delay
        )
    yield Statement("prediction instants and labels", place_of(label_query), label_query(pipeline, window))


def _registered(
    pipeline: Pipeline,
    sql: str,
    connections: Connections,
    connection: duckdb.DuckDBPyConnection,
    window: Window,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Iterator[Statement]:
    recording = Recording(connection)
    register_tables(
        recording.connection,
        pipeline,
        connections.lake,
        datasets=datasets_behind(pipeline, sql),
        queries=queries_behind(pipeline, sql),
        start=start or window.start,
        end=end or window.end,
    )
    yield from _recorded(recording, "name the tables")


def _training_set(
    pipeline: Pipeline, _: str, window: Window, connections: Connections
) -> Iterator[Statement]:
    labels = connections.lake.snapshot(pipeline.table("labels"))
    keys = [
        labelled.key for labelled in training_windows(pipeline, window) if labelled.key in labels.partitions
    ]
    model = pipeline.spec.model
    query = sampled(known_labels(scan(labels, keys), window.end), model.sample, model.seed)
    yield Statement("labels known as of the partition's end", place_of(known_labels), query)
    yield from _joined(pipeline, query, connections)


def _predictions(pipeline: Pipeline, _: str, window: Window, connections: Connections) -> Iterator[Statement]:
    rows = f"SELECT * FROM {scan(connections.lake.snapshot(pipeline.table('labels')), [window.key])}"
    yield Statement("rows to predict", place_of(scan), rows)
    yield from _joined(pipeline, rows, connections)


def _joined(pipeline: Pipeline, rows: str, connections: Connections) -> Iterator[Statement]:
    """Form the point-in-time join of each view: its bounds are those of the rows."""
    with connections.engine.connect() as connection:
        instants = f"epoch_us(min({EVENT_TIMESTAMP})), epoch_us(max({EVENT_TIMESTAMP}))"
        first, last = connection.sql(f"SELECT {instants} FROM ({rows})").fetchall()[0]
    tables = {name: pipeline.table("features", name) for name in pipeline.spec.features}
    labels = Labels(LABELS, first or 0, last or 0)
    for view in views_as_read(
        pipeline,
        connections.lake,
        {table: connections.lake.snapshot(table).version for table in tables.values()},
    ):
        has_created = CREATED_TIMESTAMP in view.snapshot.schema.names
        as_joined = ViewRows(
            name=view.name,
            relation=scan(view.snapshot),
            keys={key: key for key in view.keys},
            features={f"{view.name}__{feature}": feature for feature in view.features},
            timestamp=EVENT_TIMESTAMP,
            created=CREATED_TIMESTAMP if has_created else None,
            ttl=view.ttl,
        )
        yield from _newest(as_joined, labels)
        fetched = fetch_query(as_joined, labels, newest=NEWEST, only_created=True)
        yield Statement(f"{view.name}: its features", place_of(fetch_query), fetched)


def _newest(view: ViewRows, labels: Labels) -> Iterator[Statement]:
    """Form what the newest instants are found from, in memory between two statements, and what is made of them."""
    if view.keys:
        numbered = f"CREATE OR REPLACE TEMP TABLE {ENTITIES} AS {entities_query(view, labels)}"
        yield Statement(f"{view.name}: entities of the rows", place_of(entities_query), numbered)
    asked = coded_labels_query(view, labels, entities=ENTITIES)
    yield Statement(f"{view.name}: what is asked for, by entity", place_of(coded_labels_query), asked)
    instants = instants_query(view, labels, entities=ENTITIES, only_created=True)
    yield Statement(
        f"{view.name}: instants of its rows, of which the newest are found in {place_of(newest_instants)}",
        place_of(instants_query),
        instants,
    )
    newest = f"CREATE OR REPLACE TEMP TABLE {NEWEST} AS {newest_query(view, labels, found=FOUND)}"
    yield Statement(
        f"{view.name}: newest row of each entity as of each instant", place_of(newest_query), newest
    )


def _model(pipeline: Pipeline, _: str, window: Window, connections: Connections) -> Iterator[Statement]:
    rows = scan(connections.lake.snapshot(pipeline.table("training_set")), [window.key])
    yield Statement("rows to learn from", place_of(scan), f"SELECT * FROM {rows}")


def _drift_report(
    pipeline: Pipeline, _: str, window: Window, connections: Connections
) -> Iterator[Statement]:
    with connections.engine.connect() as connection:
        recording = Recording(connection)
        if pipeline.spec.target is None:
            yield from _monitored(pipeline, window, connections, recording)
            return
        serving = champion_version(connections.lake, pipeline.name)
        examine_window(
            pipeline, window, connections.lake, recording.connection, connections.registry, serving=serving
        )
        yield from _recorded(recording, "compare the window")


def _monitored(
    pipeline: Pipeline, window: Window, connections: Connections, recording: Recording
) -> Iterator[Statement]:
    spec = pipeline.spec
    rows = connections.lake.snapshot(pipeline.table("profiled", spec.watched))
    before = reference_partitions(rows.partitions, window.key, spec.drift)
    if not before:
        reason = f"{window.key} has no partition before it to be compared with"
        yield Statement("count the window", place_of(sketch_window), None, reason)
        return
    relation = scan(rows, before)
    columns = monitored_columns(recording.connection, relation, spec.datasets[spec.watched])
    reference = sketch_reference(recording.connection, relation, columns)
    yield from _recorded(recording, "count the reference")
    sketch_window(recording.connection, scan(rows, [window.key]), bins_of(reference))
    yield from _recorded(recording, "count the window")


_STAGES = {
    "raw": _raw,
    "profiled": _profiled,
    "features": _features,
    "labels": _labels,
    "training_set": _training_set,
    "model": _model,
    "predictions": _predictions,
    "drift_report": _drift_report,
}
