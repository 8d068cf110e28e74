"""Labels of the same entities that were known when the rows of a training set were predicted, for naive forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.materialization import StageRun
from declaration.decisions import WITHOUT_TIME
from declaration.sql import quote_identifier, quote_literal
from declaration.target_sql import series_columns
from learning.known_values import KNOWN_NAMES, fitting_seasons, known_indices, known_values
from learning.metrics import Floats
from learning.training_rows import TrainingSet
from resources.lake.lake import scan

if TYPE_CHECKING:
    import duckdb


def read_known(run: StageRun, data: TrainingSet) -> Mapping[str, Floats]:
    """Read the values known of each training row's entity; nothing where the lake has no labels beside the set."""
    table, window = run.table("labels"), run.scope.window
    if window is None or not run.lake.has(table):
        return {}
    labels = run.lake.snapshot(table)
    until_now = scan(labels, [key for key in labels.partitions if key <= window.key])
    end = f"CAST({quote_literal(window.end.isoformat())} AS TIMESTAMPTZ)"
    label_rows = f"(SELECT * FROM {until_now} WHERE label IS NOT NULL AND label_time < {end})"
    entity = tuple(name for name in series_columns(run.pipeline.spec) if name in labels.schema.names)
    with run.engine.connect() as connection:
        seasons = fitting_seasons(connection, label_rows, entity)
        timezone = run.spec.partitions.timezone
        query = known_values(label_rows, label_rows, entity=entity, seasons=seasons, timezone=timezone)
        rows = _in_order(connection, query, data)
    return {
        name: known_indices(rows[name], data.problem, data.classes)
        for name in KNOWN_NAMES
        if name in rows.column_names
    }


def _in_order(connection: duckdb.DuckDBPyConnection, query: str, data: TrainingSet) -> pa.Table:
    rows = pa.table(
        {
            "place": np.arange(data.labels.size),
            "row_id": data.rows["row_id"],
            "event_timestamp": data.rows["event_timestamp"],
        }
    )
    connection.register("asked_rows", rows)
    try:
        return connection.sql(
            "SELECT * EXCLUDE (row_id, event_timestamp) FROM asked_rows LEFT JOIN "
            # A key may come again at the same instant in another partition; either says the same.
            f"(SELECT DISTINCT ON (row_id, event_timestamp) * FROM ({query})) USING (row_id, event_timestamp) "
            "ORDER BY place"
        ).to_arrow_table()
    finally:
        connection.unregister("asked_rows")


def read_entities(run: StageRun, data: TrainingSet) -> NDArray[np.int64] | None:
    """Return the number of each training row's entity, for folds that are drawn; None where others are declared, or none is known."""
    validation, table = run.spec.model.validation, run.table("labels")
    if validation is None or validation.method not in WITHOUT_TIME or not run.lake.has(table):
        return None
    labels = run.lake.snapshot(table)
    wanted = validation.group or series_columns(run.spec)
    entity = [name for name in wanted if name in labels.schema.names]
    if not entity:
        return None
    keys = ", ".join(quote_identifier(name) for name in entity)
    query = (
        f"SELECT row_id, event_timestamp, dense_rank() OVER (ORDER BY {keys}) AS entity FROM {scan(labels)}"
    )
    with run.engine.connect() as connection:
        numbers = _in_order(connection, query, data)["entity"]
    return np.asarray(numbers.to_numpy(), dtype=np.int64)
