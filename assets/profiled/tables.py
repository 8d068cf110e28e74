"""Tables that the profiled stage keeps in the lake besides the rows: profiles and the quality history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from assets.profiled.profile import QUANTILES, ColumnProfile
from assets.profiled.quality import Quality

PROFILE_SCHEMA = pa.schema(
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
)
QUALITY_SCHEMA = pa.schema(
    [
        ("partition", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("weight", pa.float64()),
        ("score", pa.float64()),
        ("n_rows", pa.int64()),
        ("n_quarantined", pa.int64()),
        ("is_blocked", pa.bool_()),
        ("evaluated_at", pa.timestamp("us", tz="UTC")),
    ]
)


def profile_table(profiles: Sequence[ColumnProfile]) -> pa.Table:
    """Return one row per column."""
    return pa.Table.from_pylist([_profile_row(profile) for profile in profiles], schema=PROFILE_SCHEMA)


def _profile_row(profile: ColumnProfile) -> dict[str, object]:
    moments, histogram = profile.moments, profile.histogram
    return {
        "column": profile.name,
        "type": profile.type,
        "n_rows": profile.n_rows,
        "n_null": profile.n_null,
        "n_nan": profile.n_nan,
        "n_infinite": profile.n_infinite,
        "n_distinct": profile.n_distinct,
        "is_distinct_exact": profile.is_distinct_exact,
        "minimum": profile.minimum,
        "maximum": profile.maximum,
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
        "min_length": profile.min_length,
        "max_length": profile.max_length,
    }


def quality_table(
    quality: Quality, *, partition: str | None, n_rows: int, n_quarantined: int, is_blocked: bool, clock: datetime
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
            "evaluated_at": clock,
        }
        for metric, value, weight in measured
    ]
    return pa.Table.from_pylist(rows, schema=QUALITY_SCHEMA)
