"""Leakage check of a training set: features as of a prediction must not change when rows after it change."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from assets.materialization import CheckOutcome

LEAKAGE_CHECK = "no_leakage"

N_INSTANTS = 3
"""Instants of one training set after which the feature rows are changed."""

ROWS_BEFORE, ROWS_AFTER = 500, 50
"""Rows joined again at each instant: those just before it are where a leak shows first. The cost of the check is
bounded by them. The ones after it keep the join from leaving the changed rows out from the start."""


@dataclass(frozen=True)
class Probe:
    """Rows of a training set that are joined again, and the instant after which the features are changed.

    Attributes
    ----------
    instant
        Prediction instant of the last row that may not change.
    offset, length
        The rows, by their place in the training set.
    """

    instant: datetime
    offset: int
    length: int


def probes(instants: pa.ChunkedArray, *, seed: str) -> Sequence[Probe]:
    """Choose instants of a training set, which is ordered by them, evenly among its rows."""
    n_rows = len(instants)
    # Not for secrets: the same training set is always checked in the same way.
    chosen = random.Random(seed).sample(range(n_rows), min(N_INSTANTS, n_rows))
    result = []
    for place in sorted(chosen):
        offset = max(0, place + 1 - ROWS_BEFORE)
        result.append(Probe(instants[place].as_py(), offset, min(n_rows, place + 1 + ROWS_AFTER) - offset))
    return result


def changed_feature(learned: pa.Table, joined: pa.Table, instant: datetime) -> tuple[str, datetime] | None:
    """Return a feature that a changed future has changed, and the prediction it was for; None where none has.

    Parameters
    ----------
    learned
        Rows of the training set.
    joined
        The same rows, joined again over feature rows that are other after the instant.
    instant
        Rows up to it are compared.
    """
    is_before = pc.less_equal(
        learned["event_timestamp"], pa.scalar(instant, learned.schema.field("event_timestamp").type)
    )
    learned, joined = learned.filter(is_before), joined.filter(is_before)
    for name in joined.column_names:
        if learned[name].equals(joined[name]):
            continue
        pairs = zip(learned[name].to_pylist(), joined[name].to_pylist(), strict=True)
        for place, (was, became) in enumerate(pairs):
            if was != became and not (was != was and became != became):  # NaN is the same as NaN
                return name, learned["event_timestamp"][place].as_py()
    return None


def n_labels_before_their_time(table: pa.Table, as_of: datetime) -> int:
    """Count the rows whose label was not known as of the training set's end, or was already at the prediction."""
    end = pa.scalar(as_of, table.schema.field("label_time").type)
    is_wrong = pc.or_kleene(
        pc.greater_equal(table["label_time"], end),
        pc.less_equal(table["label_time"], table["event_timestamp"]),
    )
    return int(pc.sum(is_wrong).as_py() or 0)


def judge(instants: Sequence[datetime], changes: Sequence[str], n_early_labels: int) -> CheckOutcome:
    """Judge the training set from the perturbations it was checked against and their findings."""
    faults = list(changes)
    if n_early_labels:
        faults.append(
            f"{n_early_labels:,} labels were not known by the set's end, or before their prediction"
        )
    extent = f"checked against {len(instants)} perturbation{'' if len(instants) == 1 else 's'}"
    return CheckOutcome(
        LEAKAGE_CHECK,
        is_passed=not faults,
        severity="critical",
        description=f"{extent}: {'; '.join(faults)}." if faults else f"{extent}; label times respected.",
        metadata={
            "n_perturbations": len(instants),
            "instants": ", ".join(instant.isoformat() for instant in instants),
        },
    )
