"""Comparison of two ways of the point-in-time benchmark, label by label."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measure import measure
from benchmarks.point_in_time_data import FEATURES, files_of
from benchmarks.point_in_time_ways import MEMORY

WAYS = "benchmarks.point_in_time_ways"


def compared(folder: str, ttl_days: int) -> tuple[str, list[str]]:
    """Compare our values with those of Feast's `duckdb` store, for one view with a ttl.

    Entities of which two rows tie in both instants are left out: Feast's store takes now one, now the other.
    """
    import pyarrow.parquet as pq

    ours, theirs = (f"{folder}/found_{name}.parquet" for name in ("ours", "duckdb"))
    measure("comparison", f"{WAYS}:by_our_store", folder, 1, ttl_days, MEMORY, ours)
    # ibis warns of itself.
    quiet = {"PYTHONWARNINGS": "ignore"}
    measure("comparison", f"{WAYS}:by_feast_duckdb", folder, 1, ttl_days, theirs, environment=quiet)
    tied = tied_entities(folder)
    n_differing = differing(ours, theirs, without=tied)
    labels = pq.ParquetFile(f"{folder}/labels.parquet").read(columns=["row_id"])
    in_order = pq.ParquetFile(ours).read(columns=["row_id"]).equals(labels)
    line = (
        f"values that differ from Feast's duckdb store: {n_differing:,} of {labels.num_rows * len(FEATURES):,}, "
        f"but for {len(tied)} entities with tied rows; order of the labels {'kept' if in_order else 'NOT kept'}"
    )
    return line, [line] if n_differing or not in_order else []


def tied_entities(folder: str) -> list[int]:
    """List the entities of which two rows of the first view tie in event and making."""
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.sql(
            f"SELECT DISTINCT entity FROM read_parquet({files_of(folder, 0)}) "
            "GROUP BY entity, event_timestamp, created_timestamp HAVING count(*) > 1 ORDER BY entity"
        ).fetchall()
    return [entity for (entity,) in rows]


def differing(first: str, other: str, *, without: Sequence[int] = ()) -> int:
    """Count the values of one view that differ between two results, by label; NULL is equal to NULL.

    Parameters
    ----------
    first, other
        Parquet files of the results.
    without
        Entities whose labels are left out.
    """
    import duckdb

    same = " + ".join(f"(a.view_0__{f} IS DISTINCT FROM b.view_0__{f})::INTEGER" for f in FEATURES)
    condition = f"NOT list_contains({list(without)}::BIGINT[], a.entity)"
    query = (
        f"SELECT coalesce(sum({same}), 0) + 10 * abs(count(*) - (SELECT count(*) FROM '{first}' a WHERE {condition})) "
        f"FROM '{first}' a JOIN '{other}' b USING (row_id) WHERE {condition}"
    )
    with duckdb.connect() as connection:
        return int(connection.sql(query).fetchall()[0][0])
