"""Record of a model's estimates in the lake: what each report estimated, and what came of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from declaration.partitioning import Window
from drift.performance.realised import Measurement
from drift.performance.track_record import EstimateOutcome, RawEstimate, outcome_of

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


@dataclass(frozen=True)
class EstimateRecord:
    """Estimates of a model version before a window: outcomes in order, and estimates by partition."""

    outcomes: Sequence[EstimateOutcome] = ()
    estimates: Mapping[str, RawEstimate] = field(default_factory=dict)


def record_from_rows(rows: Iterable[Mapping[str, Any]]) -> EstimateRecord:
    """Read a model version's record from the rows of `record_table`, windows in their order."""
    outcomes, estimates = [], {}
    for row in sorted(rows, key=lambda entry: str(entry["partition"])):
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
    """Compare a window's realised values with earlier estimates, and its own."""
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
