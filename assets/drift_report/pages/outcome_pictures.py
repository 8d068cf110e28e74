"""Pictures of the outcomes of served predictions: calibration, confusion, residuals."""

from __future__ import annotations

from collections.abc import Sequence

from charts import Calibrated, calibration, columns_of, heatmap, histogram_pair
from drift.performance.outcomes import (
    Basis,
    OutcomeBin,
    Outcomes,
    largest_classes,
    residual_counts,
    wilson_interval,
)

MIN_ROWS = 20
"""Rows of a point of a calibration curve: bins with fewer are drawn together with their neighbours."""

CLASS_LETTERS = 16


def outcome_pictures(outcomes: Outcomes | None, width: float) -> list[str]:
    """Draw the outcomes of served predictions; nothing where no label has come."""
    if outcomes is None or not outcomes.n_rows("served"):
        return []
    if outcomes.residuals:
        edges, served = residual_counts(outcomes, "served")
        _, held = residual_counts(outcomes, "holdout")
        title = "Residuals: label less prediction"
        return [histogram_pair(edges, held, served, title=title, labels=("holdout", "served"), width=width)]
    title = "Calibration of the class that is named" if outcomes.confusion else "Calibration"
    curve = calibration(
        _points(outcomes.calibration, "holdout"),
        _points(outcomes.calibration, "served"),
        title=title,
        x_label="predicted probability",
        y_label="observed share",
        width=width,
    )
    return [curve, *([_confusion(outcomes, width)] if outcomes.confusion else [])]


def outcome_text(outcomes: Outcomes | None) -> str:
    """Compare the mean prediction with the mean outcome in words, served and in the holdout; '' where no label has come."""
    served = _means(outcomes, "served") if outcomes is not None else None
    if outcomes is None or served is None:
        return ""
    held = _means(outcomes, "holdout")
    subject = "The named class had a probability of" if outcomes.confusion else "Predictions averaged"
    observed = "and was right in a share of" if outcomes.confusion else "and labels averaged"
    against = f" (holdout: {held[0]:.4g} and {held[1]:.4g})" if held is not None else ""
    n = f"{outcomes.n_rows('served'):,}"
    return f"{subject} {served[0]:.4g} {observed} {served[1]:.4g}{against} over {n} served rows."


def _means(outcomes: Outcomes, basis: Basis) -> tuple[float, float] | None:
    """Return the mean prediction and the mean of what came; None without rows."""
    bins = [part for part in (*outcomes.calibration, *outcomes.residuals) if part.basis == basis]
    n = sum(part.n for part in bins)
    if n == 0:
        return None
    return sum(part.sum_predicted for part in bins) / n, sum(part.sum_observed for part in bins) / n


def _points(bins: Sequence[OutcomeBin], basis: Basis) -> list[Calibrated]:
    """Return the points of a curve, each of enough rows; the last ones are too few only where all are."""
    groups: list[list[OutcomeBin]] = []
    for part in sorted(
        (part for part in bins if part.basis == basis),
        key=lambda part: part.low,
    ):
        if groups and sum(part.n for part in groups[-1]) < MIN_ROWS:
            groups[-1].append(part)
        else:
            groups.append([part])
    if len(groups) > 1 and sum(part.n for part in groups[-1]) < MIN_ROWS:
        last = groups.pop()
        groups[-1] += last
    return [_point(group) for group in groups]


def _point(bins: Sequence[OutcomeBin]) -> Calibrated:
    n, observed = (
        sum(part.n for part in bins),
        sum(part.sum_observed for part in bins),
    )
    return Calibrated(
        sum(part.sum_predicted for part in bins) / n,
        observed / n,
        *wilson_interval(observed, n),
        n,
    )


def _confusion(outcomes: Outcomes, width: float) -> str:
    pairs = [pair for pair in largest_classes(outcomes.confusion) if pair.basis == "served"]
    counts = {(pair.label, pair.predicted): pair.n for pair in pairs}
    rows = sorted({pair.label for pair in pairs})
    columns = sorted({pair.predicted for pair in pairs} | set(rows))
    totals = {row: sum(counts.get((row, column), 0) for column in columns) for row in rows}
    values = [[counts.get((row, column), 0) / totals[row] for column in columns] for row in rows]
    return heatmap(
        [f"{row} ({totals[row]:,})" for row in rows],
        columns_of(
            columns, [f"{row} ({totals[row]:,})" for row in rows], width=width, row_limit=CLASS_LETTERS
        ),
        values,
        title="Confusion: actual (rows) by named class",
    )
