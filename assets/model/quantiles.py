"""Quantiles of a version: their coverage and losses as a table of the lake, and as cells of pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from learning.quantiles import QuantileFigures, QuantileResult
from learning.train import Training

QUANTILES = LakeTable(
    "quantiles",
    pa.schema(
        [
            ("version", pa.int32()),
            ("training_partition", pa.string()),
            ("share", pa.float64()),
            ("horizon", pa.float64()),
            ("n", pa.int64()),
            ("coverage", pa.float64()),
            ("coverage_low", pa.float64()),
            ("coverage_high", pa.float64()),
            ("below", pa.float64()),
            ("pinball", pa.float64()),
            ("label_pinball", pa.float64()),
            ("naive_pinball", pa.float64()),
        ]
    ),
)
"""A row per version, declared quantile and horizon (NULL for all): the share of judged rows at or below, with its 95 % interval, the share
below, and mean pinball losses: the quantile's, that of the labels' own quantile, and that of the same quantile around the naive forecast.
Versions without quantiles have no rows."""

BLIND = "Judged rows, each by quantiles that other folds teach."
NOT_BLIND = "There is one fold: the rows that are judged have taught the quantiles."


def quantiles_of(training: Training) -> QuantileResult | None:
    """Return what a training found of its quantiles; None where none are declared."""
    return training.finish.quantiles if training.finish is not None else None


def quantiles_table(figures: Sequence[QuantileFigures], version: int, partition: str) -> pa.Table:
    """Lay out a version's figures."""
    of_version = {"version": version, "training_partition": partition}
    return QUANTILES.rows({**of_version, **asdict(one)} for one in figures)


def read_figures(rows: Iterable[Mapping[str, Any]]) -> tuple[QuantileFigures, ...]:
    """Read a version's figures from its rows: of all horizons first, each ascending."""
    found = [
        QuantileFigures(**{name: row[name] for name in row if name not in ("version", "training_partition")})
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: (one.horizon or 0.0, one.share)))


def figures_header(figures: Sequence[QuantileFigures]) -> tuple[str, ...]:
    """Return the names of the columns of `figures_rows`."""
    horizon = ("forecast",) if _has_horizons(figures) else ()
    naive = () if figures[0].naive_pinball is None else ("naive forecast's", "skill")
    return (
        *("quantile", *horizon, "rows", "truths below", "at or below"),
        *("pinball loss", "labels' quantile's", "skill", *naive),
    )


def _has_horizons(figures: Sequence[QuantileFigures]) -> bool:
    return any(one.horizon is not None for one in figures)


def figures_rows(figures: Sequence[QuantileFigures]) -> list[tuple[str, ...]]:
    """Return the figures as cells, a row for each quantile and horizon."""
    has_horizons = _has_horizons(figures)
    return [
        (
            f"{one.share:g}",
            *((_ahead(one.horizon),) if has_horizons else ()),
            f"{one.n:,}",
            f"{100 * one.below:.1f} %",
            coverage_text(one),
            f"{one.pinball:.4g}",
            f"{one.label_pinball:.4g}",
            _skill(one.skill),
            *(() if one.naive_pinball is None else (f"{one.naive_pinball:.4g}", _skill(one.naive_skill))),
        )
        for one in figures
    ]


def _ahead(horizon: float | None) -> str:
    return "all" if horizon is None else f"in {horizon:g} h"


def coverage_text(one: QuantileFigures) -> str:
    """Write the share of truths at or below, with its interval.

    Examples
    --------
    >>> coverage_text(QuantileFigures(0.9, None, 500, 0.912, 0.88, 0.94, 0.912, 1.0, 2.0))
    '91.2 % (88.0 to 94.0)'
    """
    if one.coverage_low is None or one.coverage_high is None:
        return f"{100 * one.coverage:.1f} %"
    return f"{100 * one.coverage:.1f} % ({100 * one.coverage_low:.1f} to {100 * one.coverage_high:.1f})"


def _skill(skill: float | None) -> str:
    return "–" if skill is None else f"{skill:+.2f}"


def quantiles_page(result: QuantileResult) -> str:
    """Show the figures of a training's quantiles in a Markdown table."""
    header = figures_header(result.figures)
    rows = [" | ".join(row) for row in figures_rows(result.figures)]
    return "\n".join(
        [
            f"| {' | '.join(header)} |",
            f"|{'---:|' * len(header)}",
            *(f"| {row} |" for row in rows),
            "",
            f"{BLIND if result.is_blind else NOT_BLIND} In brackets 95 % intervals by blocks of time. A quantile is right if its share lies "
            "between those below and those at or below. Skill is the share of the loss that is avoided: below 0 the labels' own "
            "quantile (the naive forecast's) is the better one.",
        ]
    )
