"""Record of a model's estimates in the lake: what each report estimated, and what came of earlier ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.lake_table import LakeTable
from declaration.partitioning import Window
from drift.performance.labelled_rows import labels_known
from drift.performance.realised import Measurement
from drift.performance.track_record import EstimateOutcome, RawEstimate, outcome_of
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

ESTIMATE_RECORD = LakeTable(
    "estimate_record",
    pa.schema(
        [
            ("partition", pa.string()),
            ("model_version", pa.int32()),
            ("estimated", pa.float64()),
            ("estimated_reach", pa.float64()),
            ("expected", pa.float64()),
            ("expected_reach", pa.float64()),
            ("unchanged", pa.float64()),
            ("realised", pa.float64()),
        ]
    ),
)
"""One row per report: the window's estimate before its track record was looked at, with half its interval; and of the
rows whose labels came in the window what had been expected of them, the metric on the holdout, and what was realised."""

_FILE = "_file"


@dataclass(frozen=True)
class EstimateRecord:
    """What a model version has estimated before a window: outcomes in order, and estimates by partition."""

    outcomes: Sequence[EstimateOutcome] = ()
    estimates: Mapping[str, RawEstimate] = field(default_factory=dict)


def read_record(
    table: str, window: Window, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> EstimateRecord:
    """Read the record of a model version before a window; empty where an earlier release kept none."""
    if not lake.has(table):
        return EstimateRecord()
    kept = lake.snapshot(table)
    earlier = [key for key in kept.partitions if key < window.key]
    rows = connection.sql(
        f"SELECT * FROM {scan(kept, earlier)} WHERE model_version = {version} ORDER BY partition"
    ).to_arrow_table()
    outcomes, estimates = [], {}
    for row in rows.to_pylist():
        if row["estimated"] is not None:
            estimates[row["partition"]] = RawEstimate(row["estimated"], row["estimated_reach"])
        if row["expected"] is not None:
            outcomes.append(
                EstimateOutcome(
                    row["partition"],
                    row["expected"],
                    row["expected_reach"],
                    row["unchanged"],
                    row["realised"],
                )
            )
    return EstimateRecord(tuple(outcomes), estimates)


def outcome_in(
    window: Window,
    record: EstimateRecord,
    estimated: Measurement | None,
    realised: Measurement,
    unchanged: float,
    n_by_partition: Mapping[str, int],
) -> EstimateOutcome | None:
    """Hold what was realised in a window against earlier estimates, and the window's own."""
    estimates = dict(record.estimates)
    raw = raw_estimate(estimated)
    if raw is not None:
        estimates[window.key] = raw
    return outcome_of(window.key, realised, unchanged, estimates, n_by_partition)


def raw_estimate(estimated: Measurement | None) -> RawEstimate | None:
    """Return an estimate as it is kept; None where there is none, or no interval."""
    if estimated is None or estimated.value is None or estimated.low is None or estimated.high is None:
        return None
    return RawEstimate(estimated.value, (estimated.high - estimated.low) / 2)


def count_realised(
    labels: Snapshot,
    predictions: Snapshot,
    window: Window,
    earlier: Sequence[str],
    version: int,
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, int]:
    """Count the rows whose labels came in a window, by the partition that they are of.

    Parameters
    ----------
    labels, predictions
        Pinned tables.
    window, earlier
        The window, and the earlier partitions whose labels may come in it.
    version
        Model version that scored them.
    connection
        Where they can be counted.
    """
    keys = [*earlier, window.key]
    partition_of = {path: key for key in keys for path in labels.files.get(key, ())}
    now = labels_known(scan(labels, [window.key], file_column=_FILE), until=window.end)
    late = labels_known(scan(labels, list(earlier), file_column=_FILE), until=window.end, since=window.start)
    scored = (
        f"(SELECT row_id, event_timestamp FROM {scan(predictions, keys)} WHERE model_version = {version})"
    )
    rows = connection.sql(
        f"SELECT {_FILE}, count(*) FROM (SELECT {_FILE}, row_id, event_timestamp FROM {now} UNION ALL "
        f"SELECT {_FILE}, row_id, event_timestamp FROM {late}) JOIN {scored} USING (row_id, event_timestamp) "
        f"GROUP BY {_FILE}"
    ).fetchall()
    counts: Counter[str] = Counter()
    for file, n in rows:
        counts[partition_of[file]] += n
    return counts


def record_table(
    partition: str, version: int, estimated: Measurement | None, outcome: EstimateOutcome | None
) -> pa.Table:
    """Write what a report estimated, and what came of earlier estimates, as a row."""
    raw = raw_estimate(estimated)
    row = {
        "partition": partition,
        "model_version": version,
        "estimated": raw.value if raw else None,
        "estimated_reach": raw.reach if raw else None,
        "expected": outcome.expected if outcome else None,
        "expected_reach": outcome.reach if outcome else None,
        "unchanged": outcome.unchanged if outcome else None,
        "realised": outcome.realised if outcome else None,
    }
    return ESTIMATE_RECORD.rows([row])
