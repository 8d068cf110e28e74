"""Labels: every row to predict, with its instant, its keys, and the truth once it is known."""

from __future__ import annotations

import time
from datetime import timedelta

from assets.features.view_sql import datasets_behind, queries_behind
from assets.labels.label_sql import LabelError, check_labels, label_query, target_key
from assets.materialization import Outcome, Pipeline, Scope
from charts import as_markdown_image, bars
from pipelines.sql import quote_identifier
from resources.engine import Engine
from resources.lake import Lake
from resources.tables import register_tables

LABELS_TABLE = "driftline_labels"

LOOK_BACK = timedelta(0)
"""A row's label comes from its own partition: later corrections rewrite that partition."""


def materialize_labels(pipeline: Pipeline, scope: Scope, *, lake: Lake, engine: Engine) -> Outcome:
    """Write one partition's prediction instants and labels.

    Raises
    ------
    LabelError
        If the target's expressions fail, leak or repeat a key; nothing is written then.
    """
    import duckdb

    started = time.monotonic()
    if scope.window is None:
        raise LabelError("labels are partitioned: run them for a partition.")
    spec = pipeline.spec
    reading = f"SELECT * FROM {quote_identifier(spec.learned.dataset)}"
    with engine.connect() as connection:
        reads = register_tables(
            connection,
            pipeline,
            lake,
            datasets=datasets_behind(pipeline, reading),
            queries=queries_behind(pipeline, reading),
            start=scope.window.start - LOOK_BACK,
            end=scope.window.end,
        )
        try:
            connection.execute(
                f"CREATE TEMP TABLE {LABELS_TABLE} AS {label_query(pipeline, scope.window)}"
            ).fetchall()
        except duckdb.Error as error:
            raise LabelError(f"target of '{pipeline.name}': {' '.join(str(error).split())}") from error
        check_labels(connection, LABELS_TABLE, target_key(spec))
        rows = connection.sql(f"SELECT * FROM {LABELS_TABLE}")
        snapshot = lake.write(
            pipeline.table("labels"),
            rows.to_arrow_reader(),
            partition=scope.partition,
            commit=scope.commit(pipeline),
        )
        n_labelled, n_known, first, last = connection.sql(
            "SELECT count(label), count(*) FILTER (label_time < $end::TIMESTAMPTZ), "
            f"min(event_timestamp), max(event_timestamp) FROM {LABELS_TABLE}",
            params={"end": scope.window.end.isoformat()},
        ).fetchall()[0]
        shares = _shares(connection)
    n_rows = snapshot.rows_by_partition.get(scope.window.key, 0)
    chart = bars(shares, title="Labels of the partition", unit="rows")
    return Outcome(
        data_version=f"{snapshot.table}@{snapshot.version}",
        metadata={
            "n_rows": n_rows,
            "n_labelled": n_labelled,
            "n_unlabelled": n_rows - n_labelled,
            "n_known_at_end": n_known,
            "first_prediction": first,
            "last_prediction": last,
            "reads": ", ".join(reads),
            "writes": f"{snapshot.table}@{snapshot.version}",
            "size_bytes": snapshot.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"labels": as_markdown_image(chart, "labels of the partition")} if shares else {},
    )


def _shares(connection: object) -> list[tuple[str, float]]:
    found = connection.sql(  # type: ignore[attr-defined]  # a DuckDB connection
        "SELECT coalesce(CAST(label AS VARCHAR), 'none'), count(*) AS n "
        f"FROM {LABELS_TABLE} GROUP BY ALL ORDER BY n DESC, 1 LIMIT 12"
    ).fetchall()
    return [(label, float(n)) for label, n in found]
