"""Tables that the profiled stage keeps in the lake besides the rows: profiles and the quality history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from assets.profiled.quality import DataQuality
from assets.profiled.statistics import QUANTILES, ColumnProfile, Histogram, Moments
from declaration.lake_table import LakeTable

PROFILES = LakeTable(
    "profiles",
    pa.schema(
        [
            ("column", pa.string()),
            ("type", pa.string()),
            ("n_rows", pa.int64()),
            ("n_null", pa.int64()),
            ("n_nan", pa.int64()),
            ("n_infinite", pa.int64()),
            ("n_distinct", pa.int64()),
            ("is_distinct_exact", pa.bool_()),
            ("minimum", pa.string()),
            ("maximum", pa.string()),
            ("n_finite", pa.int64()),
            ("mean", pa.float64()),
            ("standard_deviation", pa.float64()),
            ("power_sums", pa.list_(pa.float64())),
            ("quantile_probabilities", pa.list_(pa.float64())),
            ("quantiles", pa.list_(pa.float64())),
            ("bin_width", pa.float64()),
            ("first_bin", pa.int64()),
            ("bin_counts", pa.list_(pa.int64())),
            ("top_values", pa.list_(pa.string())),
            ("top_counts", pa.list_(pa.int64())),
            ("min_length", pa.int64()),
            ("max_length", pa.int64()),
        ]
    ),
)
_SAME = (
    "type", "n_rows", "n_null", "n_nan", "n_infinite", "n_distinct", "is_distinct_exact",
    "minimum", "maximum", "min_length", "max_length",
)  # fmt: skip
"""Columns of the table that are fields of the profile."""
QUALITY = LakeTable(
    "quality",
    pa.schema(
        [
            ("partition", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("weight", pa.float64()),
            ("score", pa.float64()),
            ("n_rows", pa.int64()),
            ("n_quarantined", pa.int64()),
            ("is_blocked", pa.bool_()),
            ("critical_failures", pa.list_(pa.string())),
            ("evaluated_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
)


def profile_table(profiles: Sequence[ColumnProfile]) -> pa.Table:
    """Return one row per column."""
    return PROFILES.rows([_profile_row(profile) for profile in profiles])


def _profile_row(profile: ColumnProfile) -> dict[str, object]:
    moments, histogram = profile.moments, profile.histogram
    return {
        **{name: getattr(profile, name) for name in _SAME},
        "column": profile.name,
        "n_finite": moments.n if moments else None,
        "mean": moments.mean if moments else None,
        "standard_deviation": moments.standard_deviation if moments else None,
        "power_sums": moments.sums if moments else None,
        "quantile_probabilities": QUANTILES if profile.quantiles else None,
        "quantiles": profile.quantiles or None,
        "bin_width": histogram.width if histogram else None,
        "first_bin": histogram.first if histogram else None,
        "bin_counts": histogram.counts if histogram else None,
        "top_values": [value for value, _ in profile.top_values] or None,
        "top_counts": [n for _, n in profile.top_values] or None,
    }


def read_profiles(table: pa.Table) -> list[ColumnProfile]:
    """Return the profiles that rows of the profiles table hold."""
    return [_read_profile(row) for row in table.to_pylist()]


def _read_profile(row: dict[str, Any]) -> ColumnProfile:
    same = {name: row[name] for name in _SAME}
    has_moments, has_bins = row["mean"] is not None, row["bin_counts"] is not None
    return ColumnProfile(
        name=row["column"],
        **same,
        moments=Moments(row["n_finite"], row["mean"], tuple(row["power_sums"])) if has_moments else None,
        histogram=Histogram(row["bin_width"], row["first_bin"], tuple(row["bin_counts"]))
        if has_bins
        else None,
        quantiles=tuple(row["quantiles"] or ()),
        top_values=tuple(zip(row["top_values"] or (), row["top_counts"] or (), strict=True)),
    )


def quality_table(
    quality: DataQuality,
    *,
    partition: str | None,
    n_rows: int,
    n_quarantined: int,
    is_blocked: bool,
    critical_failures: Sequence[str],
    clock: datetime,
) -> pa.Table:
    """Return one row per dimension and one for the score."""
    measured = [(str(name), value, quality.weight(name)) for name, value in quality.dimensions.items()]
    if quality.score is not None:
        measured.append(("score", quality.score, 1.0))
    rows = [
        {
            "partition": partition,
            "metric": metric,
            "value": value,
            "weight": weight,
            "score": quality.score,
            "n_rows": n_rows,
            "n_quarantined": n_quarantined,
            "is_blocked": is_blocked,
            "critical_failures": list(critical_failures),
            "evaluated_at": clock,
        }
        for metric, value, weight in measured
    ]
    return QUALITY.rows(rows)
