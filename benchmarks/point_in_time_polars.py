"""The join by polars, in an environment of its own: this module imports nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.measure import setup_done

REQUIREMENT = "polars>=1.30,<2"


def by_polars(labels: str, views: Sequence[Sequence[str]], ttl_days: int | None, target: str | None) -> int:
    """Join labels with the files of some views by `join_asof`, as one would by hand: no ties, no creation times.

    Parameters
    ----------
    labels
        Parquet file of the labels.
    views
        Files of each view.
    ttl_days
        Greatest age of a value.
    target
        File for the result, for a comparison; never in a run that is counted.
    """
    polars = import_module("polars")  # not among the product's packages

    frame = polars.read_parquet(labels)
    setup_done()
    joined: Any = frame.lazy().sort("event_timestamp")
    tolerance = None if ttl_days is None else f"{ttl_days}d"
    for number, files in enumerate(views):
        rows = polars.scan_parquet(files).drop("created_timestamp")
        rows = rows.rename({f"f{k}": f"view_{number}__f{k}" for k in range(10)}).sort("event_timestamp")
        # Both sides are sorted above; polars cannot see it within groups.
        joined = joined.join_asof(
            rows, on="event_timestamp", by="entity", tolerance=tolerance, check_sortedness=False
        )
    result = joined.sort("row_id").collect()
    if target:
        result.write_parquet(target)
    return int(result.height)
