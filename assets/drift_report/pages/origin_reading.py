"""Reads of a report's origin: its run, and the lake's quarantine tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.drift_report.pages.origin import Origin, Quarantined, run_link
from assets.materialization import StageRun
from declaration.partitioning import Window
from resources.lake.lake import scan

if TYPE_CHECKING:
    import duckdb

MAX_RULES = 5
"""Broken rules that are named for a dataset, the most frequent first."""


def read_origin(
    run: StageRun,
    window: Window,
    connection: duckdb.DuckDBPyConnection,
    *,
    web_url: str,
    model_run_id: str = "",
) -> Origin:
    """Read the run that makes the report, and the rows quarantined in its partition.

    Parameters
    ----------
    run, window
        The run that makes the report, and its window.
    connection
        Where the quarantine is read; rows themselves never reach the page, as they may be personal.
    web_url
        Where Dagster's web UI is reached; '' where that is not known.
    model_run_id
        MLflow's run of the model version; '' without one.
    """
    quarantined = (_quarantined(run, name, window, connection) for name in run.spec.datasets)
    return Origin(
        run.scope.run_id,
        run_link(web_url, run.scope.run_id),
        model_run_id,
        tuple(rows for rows in quarantined if rows is not None),
    )


def _quarantined(
    run: StageRun, dataset: str, window: Window, connection: duckdb.DuckDBPyConnection
) -> Quarantined | None:
    table = run.table("quarantine", dataset)
    if not run.spec.datasets[dataset].is_partitioned or not run.lake.has(table):
        return None
    snapshot = run.lake.snapshot(table)
    if window.key not in snapshot.partitions:
        return None
    rows = scan(snapshot, [window.key])
    n_rows = int(connection.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
    if n_rows == 0:
        return None
    rules = connection.sql(
        f"SELECT rule, count(*) AS n FROM (SELECT unnest(broken_rules) AS rule FROM {rows}) "
        f"GROUP BY rule ORDER BY n DESC, rule LIMIT {MAX_RULES}"
    ).fetchall()
    return Quarantined(dataset, table, n_rows, tuple((str(rule), int(n)) for rule, n in rules))
