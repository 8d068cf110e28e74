"""Past of a pipeline as a history: its stored predictions and training sets with their labels, from pinned tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from assets.drift_report.tables import DRIFT_DECISIONS
from assets.drift_report.tables_read import read_quality
from assets.drift_report.version_inputs import entity_columns
from assets.drift_report.window_inputs import LABEL_LOOKBACK, trainings_of
from declaration.model import Metric
from declaration.names import SOURCE_PARTITION
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier, quote_literal
from drift.backtesting.course import BacktestError
from drift.backtesting.history import History
from drift.performance.labelled_rows import instant_literal
from resources.connections import Connections
from resources.lake.lake import Lake, Snapshot, scan
from resources.model_registry.ledger import read_ledger

MAX_ENTITY_LABELS = 1_000_000
"""Labels of all entities that are held for naive forecasts; more would cost memory, and the forecasts are left out."""


@dataclass(frozen=True)
class Past:
    """A history, and what it was read from.

    Attributes
    ----------
    history
        Its windows; how many of them the first model learns from is not known yet.
    reads
        Pinned tables, `table@version`.
    rows, n_rows
        Most rows of a window, and all that there are.
    n_sampled
        Windows of which a sample was drawn.
    lookback
        Earlier windows whose labels may arrive in a window.
    delay
        Windows that labels are declared to be late.
    notes
        What a reader must know of how it was read.
    """

    history: History
    reads: tuple[str, ...]
    rows: int
    n_rows: int
    n_sampled: int
    lookback: int
    delay: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reality:
    """Realised history, as its reports say.

    Attributes
    ----------
    metric
        Realised metric by partition, where it is known.
    trained
        Partitions of its trainings.
    """

    metric: Mapping[str, float]
    trained: tuple[str, ...]

    def mean(self, keys: Sequence[str]) -> float | None:
        """Return the mean realised metric over some partitions; None where none is known."""
        values = [self.metric[key] for key in keys if key in self.metric]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class _Tables:
    """Pinned tables; None for those that are not there."""

    labels: Snapshot
    predictions: Snapshot | None
    training: Snapshot | None

    @property
    def reads(self) -> tuple[str, ...]:
        """Name tables and versions."""
        tables = (self.predictions, self.training, self.labels)
        return tuple(f"{snapshot.table}@{snapshot.version}" for snapshot in tables if snapshot is not None)


def read_past(pipeline: Pipeline, connections: Connections, *, rows: int) -> Past:
    """Read a pipeline's windows: what was predicted, and where nothing was, what was learned from.

    Parameters
    ----------
    pipeline, connections
        The pipeline, and where its tables are.
    rows
        Most rows of a window; of more a sample is drawn by a hash of the row's key, the same each time.

    Raises
    ------
    BacktestError
        If there is no target, no label, or nothing was trained yet.
    """
    if rows < pipeline.spec.drift.min_rows:
        raise BacktestError(
            f"--rows {rows} is below drift.min_rows, {pipeline.spec.drift.min_rows}: no window would be judged. Ask for more rows."
        )
    tables = _pinned(pipeline, connections.lake)
    features = _features(pipeline, connections, tables)
    with connections.engine.connect() as connection:
        windows = _windows(pipeline, tables)
        featured = _featured(windows, tables, features, connection)
        end = windows[-1]
        read = [
            _read(window, featured.get(window.key), tables, features, end, rows, pipeline, connection)
            for window in windows
        ]
        schema = _schema(tables, features, read)
        parts = tuple(table.select(schema.names).cast(schema) for table, _ in read)
        qualities = [read_quality(pipeline, window, connections.lake, connection) for window in windows]
        entity = entity_columns(pipeline, tables.labels)
        entity_labels = _entity_labels(tables, entity, end, connection)
    if not sum(table["label"].null_count < table.num_rows for table in parts):
        raise BacktestError(
            f"no label of '{pipeline.name}' was known by {end.end:%Y-%m-%d %H:%M} in the {len(windows)} windows of the lake. "
            "Wait for labels, or check target.label and target.label_time."
        )
    history = History(
        windows=parts,
        starts_us=tuple(
            round(instant.timestamp() * 1e6) for instant in (*(w.start for w in windows), end.end)
        ),
        features=features,
        problem=pipeline.spec.learned.problem,
        n_history=1,
        keys=tuple(window.key for window in windows),
        has_calendar=partitioning(pipeline.spec.partitions).ends_by_clock,
        timezone=pipeline.spec.partitions.timezone,
        folder=pipeline.folder,
        difference=pipeline.spec.learned.difference,
        faults={place: quality.faults for place, quality in enumerate(qualities) if quality.faults},
        weights=tuple(n / max(1, table.num_rows) for table, n in read),
        entity_labels=entity_labels,
        entity=entity,
    )
    delay = _delay(pipeline, end)
    return Past(
        history,
        tables.reads + tuple(sorted({name for quality in qualities for name in quality.reads})),
        rows,
        sum(n for _, n in read),
        sum(n > table.num_rows for table, n in read),
        max(LABEL_LOOKBACK, delay),
        delay,
        _notes(tables, featured, windows, entity_labels),
    )


def read_reality(pipeline: Pipeline, lake: Lake, metric: Metric) -> Reality:
    """Read what the drift reports realised of a metric, and when the ledger says that something was trained."""
    table = DRIFT_DECISIONS.of(pipeline.name)
    reports = lake.read(table).to_pylist() if lake.has(table) else []
    realised = {
        str(row["partition"]): float(row["realised"])
        for row in reports
        if row["metric"] == metric and row["realised"] is not None
    }
    trained = {entry.partition for entry in trainings_of(read_ledger(lake, pipeline.name))}
    return Reality(realised, tuple(sorted(trained)))


def _pinned(pipeline: Pipeline, lake: Lake) -> _Tables:
    if pipeline.spec.target is None:
        raise BacktestError(
            f"'{pipeline.name}' has no target: nothing is ever trained for it, and there is no policy to compare."
        )
    snapshots = {
        stage: lake.snapshot(pipeline.table(stage)) if lake.has(pipeline.table(stage)) else None
        for stage in ("labels", "predictions", "training_set")
    }
    labels = snapshots["labels"]
    if labels is None or not labels.n_rows:
        raise BacktestError(
            f"'{pipeline.name}' has no labels in the lake yet. Run `driftline replay {pipeline.name}` first."
        )
    return _Tables(labels, snapshots["predictions"], snapshots["training_set"])


def _features(pipeline: Pipeline, connections: Connections, tables: _Tables) -> tuple[str, ...]:
    """Return the features of the newest model version that the tables still have."""
    ledger = read_ledger(connections.lake, pipeline.name)
    if not ledger or tables.training is None:
        raise BacktestError(
            f"nothing was trained for '{pipeline.name}' yet: there is no history to compare policies on. "
            f"Run `driftline replay {pipeline.name}` first; `driftline status {pipeline.name}` says what it waits for."
        )
    newest = connections.registry.version(pipeline.name, max(entry.version for entry in ledger))
    held = set(tables.training.schema.names)
    return tuple(name for name in newest.feature_names if name in held)


def _windows(pipeline: Pipeline, tables: _Tables) -> Sequence[Window]:
    """List the windows from the first to the newest with labels or predictions, those without rows as well."""
    predicted = tables.predictions.partitions if tables.predictions is not None else ()
    keys = sorted({*tables.labels.partitions, *predicted})
    form = partitioning(pipeline.spec.partitions)
    return form.overlapping(form.window(keys[0]).start, form.window(keys[-1]).end)


def _featured(
    windows: Sequence[Window],
    tables: _Tables,
    features: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, str]:
    """Name what each window's features are read from: its predictions, or the newest training set that has its rows."""
    relations: dict[str, str] = {}
    if tables.predictions is not None:
        counts = tables.predictions.rows_by_partition
        relations = {
            window.key: scan(tables.predictions, [window.key])
            for window in windows
            if counts.get(window.key) and set(features) <= set(tables.predictions.schema.names)
        }
    assert tables.training is not None
    for as_of in reversed(tables.training.partitions):
        if all(window.key in relations for window in windows):
            break
        rows = scan(tables.training, [as_of])
        sources = connection.sql(f"SELECT DISTINCT {SOURCE_PARTITION} FROM {rows}").fetchall()
        for (key,) in sources:
            relations.setdefault(
                key, f"(SELECT * FROM {rows} WHERE {SOURCE_PARTITION} = {quote_literal(key)})"
            )
    return relations


def _read(
    window: Window,
    featured: str | None,
    tables: _Tables,
    features: Sequence[str],
    newest: Window,
    rows: int,
    pipeline: Pipeline,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[pa.Table, int]:
    """Read a window's rows, or a sample of them, with the labels that are known in the end; and count them all."""
    assert tables.training is not None
    source = featured or f"(SELECT * FROM {scan(tables.training, [])})"
    names = ", ".join(f"f.{quote_identifier(name)}" for name in features)
    labels = (
        f"(SELECT row_id, event_timestamp, label, label_time FROM {scan(tables.labels, [window.key])} "
        f"WHERE label IS NOT NULL AND label_time < {instant_literal(newest.end)})"
    )
    n_rows = int(connection.sql(f"SELECT count(*) FROM {source}").fetchall()[0][0])
    seed = quote_literal(f"{pipeline.name} {pipeline.spec.model.seed}")
    table = connection.sql(
        f"SELECT * FROM (SELECT f.row_id, f.event_timestamp, {names}, l.label, l.label_time FROM "
        f"(SELECT * FROM {source} ORDER BY hash({seed}, row_id, epoch_us(event_timestamp)) LIMIT {rows}) AS f "
        f"LEFT JOIN {labels} AS l ON f.row_id = l.row_id AND f.event_timestamp = l.event_timestamp) "
        "ORDER BY event_timestamp, row_id"
    ).to_arrow_table()
    return table, n_rows


def _schema(tables: _Tables, features: Sequence[str], read: Sequence[tuple[pa.Table, int]]) -> pa.Schema:
    """Return one type for each column of all windows: the training set's, and the labels' own."""
    assert tables.training is not None
    first = read[0][0].schema
    fields = [
        tables.training.schema.field(name) if name in features else first.field(name) for name in first.names
    ]
    return pa.schema([pa.field(field.name, field.type) for field in fields])


def _entity_labels(
    tables: _Tables, entity: Sequence[str], newest: Window, connection: duckdb.DuckDBPyConnection
) -> pa.Table | None:
    if tables.labels.n_rows > MAX_ENTITY_LABELS:
        return None
    names = ", ".join(["row_id", "event_timestamp", "label", "label_time", *map(quote_identifier, entity)])
    return connection.sql(
        f"SELECT {names} FROM {scan(tables.labels)} "
        f"WHERE label IS NOT NULL AND label_time < {instant_literal(newest.end)} ORDER BY event_timestamp, row_id"
    ).to_arrow_table()


def _delay(pipeline: Pipeline, window: Window) -> int:
    """Count the windows that labels are declared to be late."""
    delay = pipeline.spec.learned.label_delay
    form = partitioning(pipeline.spec.partitions)
    return len(form.overlapping(window.start - delay, window.start)) if delay else 0


def _notes(
    tables: _Tables,
    featured: Mapping[str, str],
    windows: Sequence[Window],
    entity_labels: pa.Table | None,
) -> tuple[str, ...]:
    """Say what a reader must know of how the history was read."""
    notes = []
    predicted = set(tables.predictions.partitions) if tables.predictions is not None else set()
    n_learned = sum(window.key in featured and window.key not in predicted for window in windows)
    n_empty = sum(window.key not in featured for window in windows)
    if n_learned:
        notes.append(f"Not predicted, so that rows are those of the training sets: {_n_windows(n_learned)}.")
    if n_empty:
        notes.append(f"Without any row with features: {_n_windows(n_empty)}.")
    if entity_labels is None:
        notes.append(f"More than {MAX_ENTITY_LABELS:,} labels: naive forecasts of each entity are left out.")
    return tuple(notes)


def _n_windows(n: int) -> str:
    return "a window" if n == 1 else f"{n} windows"
