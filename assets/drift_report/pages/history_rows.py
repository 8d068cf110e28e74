"""Rows that the page of a model history reads of the lake: few columns of small tables, never a row of data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from assets.drift_report.pages.history import ColumnState, HistoryWindow
from assets.drift_report.signal_tables import outcomes_from_rows
from assets.drift_report.skill_table import best_from_rows
from declaration.sql import quote_literal
from drift.columns.findings import FindingKind
from drift.columns.verdict import SILENT_STATUSES
from drift.performance.outcomes import Outcomes
from drift.performance.realised import Measurement
from drift.sketch.counts import ReferenceSketch, WindowSketch, counts_from_json
from drift.sketch.scan import WHOLE
from drift.sketch.table import reference_from_rows

if TYPE_CHECKING:
    import duckdb

FILE = "_file"
"""Column with the path of a row's file, where many windows are read at once."""


def read_windows(connection: duckdb.DuckDBPyConnection, decisions: str) -> tuple[HistoryWindow, ...]:
    """Read decisions (`<p>/drift_decisions`), oldest window first."""
    rows = connection.sql(
        # By name, not by a list: a lake of an earlier release lacks the newest columns.
        f"SELECT * EXCLUDE (drifted_features) FROM {decisions} ORDER BY partition"
    ).to_arrow_table()
    return tuple(_window(row) for row in rows.to_pylist())


def with_skill(
    connection: duckdb.DuckDBPyConnection, windows: Sequence[HistoryWindow], rows: str
) -> tuple[HistoryWindow, ...]:
    """Give windows their skill (`<p>/baseline_skill`), where it was measured."""
    best = best_from_rows(connection.sql(f"SELECT * FROM {rows}").to_arrow_table().to_pylist())
    return tuple(replace(window, skill=best.get(window.partition)) for window in windows)


def _window(row: Mapping[str, Any]) -> HistoryWindow:
    metric = row["metric"] or ""
    return HistoryWindow(
        partition=row["partition"],
        start=row["window_start"],
        end=row["window_end"],
        model_version=row["model_version"],
        n_rows=row["n_current"] or 0,
        n_labelled=row["n_labelled"] or 0,
        drift_status=row["drift_status"],
        drift_score=row["drift_score"],
        n_drifted=row["n_drifted"] or 0,
        n_likely=row.get("n_likely") or 0,
        reference_metric=row["reference_metric"],
        realised=Measurement(
            metric,
            row["n_labelled"] or 0,
            row["realised"],
            row["realised_low"],
            row["realised_high"],
            n_unseen=row.get("n_unseen") or 0,
        ),
        estimated=Measurement(
            metric, row["n_current"] or 0, row["estimated"], row["estimated_low"], row["estimated_high"]
        ),
        quality_score=row["quality_score"],
        is_retrain_requested=bool(row["is_retrain_requested"]),
        reason=row["reason"] or "",
        severity=row["severity"] or "info",
        explanation=row["explanation"] or "",
        # The pages of a pipeline lie side by side: no path leads out of its folder.
        page=str(row["report_path"] or "").replace("\\", "/").rpartition("/")[2],
        headline=row.get("headline") or "",
        proper_score=row.get("proper_score"),
        base_rate_score=row.get("base_rate_score"),
    )


def read_states(
    connection: duckdb.DuckDBPyConnection, reports: str, partition_of: Mapping[str, str]
) -> tuple[ColumnState, ...]:
    """Read the state of each column in each window.

    Parameters
    ----------
    connection
        Where the reports can be read.
    reports
        Rows of `<p>/drift_report`, with their file's path in `FILE`.
    partition_of
        Partition by path.

    Returns
    -------
    tuple[ColumnState, ...]
        One per window and column, in no order.
    """
    kinds = [kind.replace(" ", "_") for kind in get_args(FindingKind)]
    ratios = ", ".join(f"{_one(f'{kind}_lower_bound')} / {_one(f'{kind}_threshold')}" for kind in kinds)
    # Grouped by file, not by partition: one scan of many small files costs a tenth of a scan of each.
    rows = connection.sql(
        f"SELECT {FILE}, column_name, any_value(role), any_value(status), any_value(importance), "
        f"greatest({ratios}), {_one('distribution_effect')} FROM {reports} GROUP BY {FILE}, column_name"
    ).fetchall()
    return tuple(
        ColumnState(
            partition_of[file], column, role, status, importance or 0.0, *_known(status, ratio, effect)
        )
        for file, column, role, status, importance, ratio, effect in rows
    )


def _one(statistic: str) -> str:
    return f"max(value) FILTER (statistic = {quote_literal(statistic)})"


def _known(status: str, ratio: float | None, effect: float | None) -> tuple[float | None, float | None]:
    """Return strength and effect; none where the status says nothing of the column."""
    if status in SILENT_STATUSES:
        return None, None
    return min(1.0, max(0.0, ratio or 0.0)), effect


def read_outcomes(connection: duckdb.DuckDBPyConnection, rows: str, version: int) -> Outcomes | None:
    """Add up the outcomes of a version's predictions over windows (`<p>/served_outcomes`); None where no label has come.

    Every window holds the same rows of the holdout: they count once.
    """
    added = connection.sql(
        "SELECT model_version, kind, basis, low, high, label, predicted, "
        + ", ".join(
            f"CAST(CASE basis WHEN 'served' THEN sum({name}) ELSE max({name}) END AS {kind}) AS {name}"
            for name, kind in (("n", "BIGINT"), ("sum_predicted", "DOUBLE"), ("sum_observed", "DOUBLE"))
        )
        + f" FROM {rows} WHERE model_version = {version} "
        "GROUP BY model_version, kind, basis, low, high, label, predicted ORDER BY ALL"
    ).to_arrow_table()
    outcomes = outcomes_from_rows(added.to_pylist())
    return outcomes if outcomes is not None and outcomes.n_rows("served") else None


def read_reference(connection: duckdb.DuckDBPyConnection, sketches: str) -> ReferenceSketch:
    """Read one reference of `<p>/sketches` without its partitions: enough for pictures."""
    rows = connection.sql(f"SELECT * FROM {sketches} WHERE part = {quote_literal(WHOLE)}").to_arrow_table()
    return reference_from_rows(rows.to_pylist())


def read_current(connection: duckdb.DuckDBPyConnection, sketches: str) -> WindowSketch:
    """Read one window of `<p>/window_sketches`."""
    rows = connection.sql(f"SELECT column_name, counts FROM {sketches} ORDER BY column_name").fetchall()
    return {column: counts_from_json(json.loads(counts)) for column, counts in rows}
