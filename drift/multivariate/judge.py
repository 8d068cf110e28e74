"""Multivariate drift of a window: the test of all features together, and the rows it samples.

The rows are those whose keys hash lowest, so that the sample is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from declaration.drift import DriftSpec
from declaration.sql import quote_identifier
from drift.columns.verdict import DriftVerdict
from drift.multivariate.domain_classifier import DomainClassification, Sample, separate


@dataclass(frozen=True)
class KeyedRows:
    """Rows that can be sampled.

    Attributes
    ----------
    relation
        SQL table expression.
    key
        Columns that identify a row, with `time`.
    time
        Column of the row's instant; rows without one are left out.
    part
        Column that names the reference partition; None for a current window.
    """

    relation: str
    key: Sequence[str]
    time: str
    part: str | None = None


def judge_multivariate(
    connection: duckdb.DuckDBPyConnection,
    reference: KeyedRows,
    current: KeyedRows,
    verdict: DriftVerdict,
    features: Sequence[str],
    *,
    drift: DriftSpec,
    seed: int,
) -> DomainClassification | None:
    """Judge all features together, where the declaration asks for it.

    Parameters
    ----------
    connection
        Where the rows can be read.
    reference, current
        Both windows.
    verdict
        On each feature by itself.
    features
        Columns; ignored ones are left out.
    drift, seed
        The declaration's.

    Returns
    -------
    Separation or None
        None where it was not asked for, or a single feature has told already.
    """
    when = drift.multivariate.when
    if when == "never" or (when == "stable" and verdict.drifted()):
        return None
    names = drift.judged(features)
    before, now = (
        read_sample(connection, rows, names, max_rows=drift.multivariate.max_rows)
        for rows in (reference, current)
    )
    return separate(
        before,
        now,
        names,
        sensitivity=drift.sensitivity,
        alpha=drift.alpha,
        min_rows=drift.min_rows,
        seed=seed,
    )


def read_sample(
    connection: duckdb.DuckDBPyConnection, rows: KeyedRows, names: Sequence[str], *, max_rows: int
) -> Sample:
    """Read at most so many rows, chosen by a hash of their keys and instants, in order of time."""
    instant = f"epoch_us({quote_identifier(rows.time)})"
    # Portable, and blind to the session's time zone: the instant counts as a number.
    texts = [
        f"coalesce(CAST({quote_identifier(name)} AS VARCHAR), '')" for name in rows.key if name != rows.time
    ]
    hashed = f"md5(concat_ws('|', {', '.join([*texts, f'CAST({instant} AS VARCHAR)'])}))"
    columns = "".join(f"{quote_identifier(name)}, " for name in names)
    part = "''" if rows.part is None else f"coalesce(CAST({quote_identifier(rows.part)} AS VARCHAR), '')"
    sample = connection.sql(
        f"""
        SELECT * FROM (
            SELECT {columns}{quote_identifier(rows.time)} AS event_timestamp, {instant} AS sample_instant,
                {part} AS sample_part, {hashed} AS sample_hash
            FROM {rows.relation} WHERE {quote_identifier(rows.time)} IS NOT NULL
            ORDER BY sample_hash LIMIT {int(max_rows)}
        ) ORDER BY sample_instant, sample_hash
        """
    ).to_arrow_table()
    return Sample(
        sample.select([*names, "event_timestamp"]),
        np.asarray(sample["sample_instant"].to_numpy(), dtype=np.int64),
        np.asarray(sample["sample_part"].to_pylist(), dtype=np.str_),
    )
