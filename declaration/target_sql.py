"""Prediction instants and labels, from the target's expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from declaration.errors import DriftlineError
from declaration.forecast import added_columns, event_instant_of, target_rows
from declaration.partition_sql import between
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.sql import quote_identifier
from declaration.target import ProblemType, TargetSpec

if TYPE_CHECKING:
    import duckdb

LABEL_TYPES: dict[ProblemType, str] = {"binary": "TINYINT", "multiclass": "VARCHAR", "regression": "DOUBLE"}
"""A binary label is 0 or 1, a multiclass label its name, a regression label a number."""

REQUEST_PREFIX = "request__"
"""Prefix of features known from the row itself."""

N_EXAMPLES = 3


class LabelError(DriftlineError):
    """The target's expressions give labels that cannot be learned from."""


def target_event_time(spec: PipelineSpec) -> str:
    """Return the column that says which partition a row to predict belongs to."""
    target = spec.learned
    declared = spec.datasets[target.dataset].event_time if target.dataset in spec.datasets else None
    event_time = target.event_time or declared
    if event_time is None:
        raise LabelError(
            f"target: '{target.dataset}' has no event time. Give `event_time` in `target`, "
            "or predict rows of a dataset that has one."
        )
    return event_time


def target_key(spec: PipelineSpec) -> tuple[str, ...]:
    """Return the columns that identify a row to predict."""
    target = spec.learned
    declared = spec.datasets[target.dataset].key if target.dataset in spec.datasets else ()
    key = target.key or declared
    if not key:
        raise LabelError(
            f"target: '{target.dataset}' has no key. Give `key` in `target`: predictions meet their labels by it."
        )
    return key


def entity_keys(spec: PipelineSpec) -> tuple[str, ...]:
    """List the key columns of all entities that features are joined on, each once."""
    used = {view.entity for view in spec.features.values()}
    columns = [column for entity in spec.entities if entity in used for column in spec.entities[entity]]
    return tuple(dict.fromkeys(columns))


def series_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """List the columns that tell whose earlier labels a naive forecast may say: those of the entities, or of a forecast's series."""
    if not spec.learned.horizon:
        return entity_keys(spec)
    event_time = target_event_time(spec)
    return tuple(name for name in target_key(spec) if name != event_time)


def sliceable_columns(spec: PipelineSpec) -> Mapping[str, str]:
    """Return what rows to predict can be sliced by, and the column of the labels table that holds it."""
    target = spec.learned
    declared = spec.datasets.get(target.dataset)
    key = target.key or (declared.key if declared else ())
    event_time = target.event_time or (declared.event_time if declared else None)
    columns = {name: name for name in (*key, *entity_keys(spec)) if name != event_time}
    return {**columns, **{name: REQUEST_PREFIX + name for name in sorted(target.request_features)}}


def row_id(key: Sequence[str]) -> str:
    """Return the SQL of a row's identity: an md5 of its key, the same on every engine.

    Each part is preceded by its length, so that ('a', 'bc') and ('ab', 'c') differ.
    """
    parts = ", ".join(
        f"CASE WHEN {quote_identifier(name)} IS NULL THEN '-1:' ELSE "
        f"concat(length(CAST({quote_identifier(name)} AS VARCHAR)), ':', CAST({quote_identifier(name)} AS VARCHAR)) END"
        for name in key
    )
    return f"md5(concat({parts}))"


def request_columns(target: TargetSpec) -> list[str]:
    """Return the SQL of the features known from the row itself: one definition, for training and for serving."""
    return [
        f"({sql}) AS {quote_identifier(REQUEST_PREFIX + name)}"
        for name, sql in sorted(target.request_features.items())
    ]


def label_query(pipeline: Pipeline, window: Window) -> str:
    """Return the SQL of one partition's rows to predict, labelled or not, ordered by instant and identity."""
    spec = pipeline.spec
    target = spec.learned
    event_time = target_event_time(spec)
    instant = event_instant_of(spec, event_time)
    key = target_key(spec)
    identifiers = tuple(dict.fromkeys((*key, *entity_keys(spec))))
    columns = [f"{row_id(key)} AS row_id"]
    columns += [quote_identifier(name) for name in identifiers if name != event_time]
    columns += [
        f"CAST({target.prediction_time} AS TIMESTAMPTZ) AS event_timestamp",
        f"CAST({instant} AS TIMESTAMPTZ) AS event_time",
        f"CAST({target.label} AS {LABEL_TYPES[target.problem]}) AS label",
        f"CAST(CASE WHEN ({target.label}) IS NOT NULL THEN ({target.label_time}) END AS TIMESTAMPTZ) AS label_time",
    ]
    columns += request_columns(target)
    where = f"({target.where})" if target.where else "true"
    return (
        f"SELECT {', '.join(columns)} FROM {target_rows(spec, event_time)} "
        f"WHERE {where} AND {between(instant, window.start, window.end)} "
        "ORDER BY event_timestamp, row_id"
    )


def with_added_columns(spec: PipelineSpec, columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns of the target's dataset, by type, with those that a forecast adds to them."""
    try:
        added = added_columns(spec, target_event_time(spec))
    except LabelError:
        return columns
    return {**columns, **{name: kind for name, (kind, _) in added.items()}}


def check_labels(
    connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], *, where: str
) -> None:
    """Refuse labels that would leak or could not be told apart.

    Parameters
    ----------
    connection, table
        The labels.
    key
        Columns that identify a row.
    where
        Pipeline and partition, for the message.

    Raises
    ------
    LabelError
        If a row has no prediction instant, a label has no time or is known before its
        prediction, or two rows share a key; with counts and examples.
    """
    faults = {
        "event_timestamp IS NULL": "rows have no prediction_time. Exclude them with `where`",
        "label IS NOT NULL AND label_time IS NULL": (
            "rows have a label and no label_time. A label whose time is unknown cannot be kept out of the past: "
            "correct `label_time`"
        ),
        "label_time <= event_timestamp": (
            "labels are known before the prediction is made. Correct `prediction_time` or `label_time`"
        ),
    }
    for condition, text in faults.items():
        _refuse(connection, f"SELECT row_id FROM {table} WHERE {condition}", text, where)
    _refuse(
        connection,
        f"SELECT row_id FROM {table} GROUP BY row_id HAVING count(*) > 1",
        f"keys ({', '.join(key)}) stand for more than one row. Add columns to `key`",
        where,
    )


def _refuse(connection: duckdb.DuckDBPyConnection, rows: str, text: str, where: str) -> None:
    counts = connection.sql(
        f"SELECT count(*), list(row_id ORDER BY row_id)[1:{N_EXAMPLES}] FROM ({rows})"
    ).fetchall()
    n_rows, examples = counts[0]
    if n_rows:
        raise LabelError(f"{where}: {n_rows:,} {text}. For example row_id {', '.join(examples)}.")
