"""Labels of the same entities that were known when rows of a window were predicted, for naive forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.target_sql import entity_keys
from drift.performance.labelled_rows import labels_known
from learning.known_values import fitting_seasons, known_values
from resources.lake.lake import Snapshot, scan

if TYPE_CHECKING:
    import duckdb


def known_of_entities(
    pipeline: Pipeline, window: Window, labels: Snapshot, connection: duckdb.DuckDBPyConnection
) -> str:
    """Return the SQL of what was known of the entities of all rows with a label; see `known_values`.

    Parameters
    ----------
    pipeline, window
        The pipeline, and the window of the report: later labels did not exist.
    labels
        Labels of all partitions.
    connection
        Where they can be read.
    """
    until_now = scan(labels, [key for key in labels.partitions if key <= window.key])
    known = labels_known(until_now, until=window.end)
    entity = entity_columns(pipeline, labels)
    return known_values(
        known,
        known,
        entity=entity,
        seasons=fitting_seasons(connection, known, entity),
        timezone=pipeline.spec.partitions.timezone,
    )


def entity_columns(pipeline: Pipeline, labels: Snapshot) -> tuple[str, ...]:
    """List the entities' key columns that the labels have; labels of an earlier release may lack some."""
    return tuple(name for name in entity_keys(pipeline.spec) if name in labels.schema.names)
