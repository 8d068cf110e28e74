"""Freshness check of a feature view: its newest event against the age that the declaration allows."""

from __future__ import annotations

from datetime import datetime, timedelta

from assets.materialization import CheckOutcome

FRESHNESS_CHECK = "freshness"


def judge_freshness(newest: datetime | None, *, allowed: timedelta, partition_end: datetime) -> CheckOutcome:
    """Compare a view's newest event with the end of the partition that was just made.

    The wall clock is left out, so that a partition of last year is judged as it was then; that
    partitions arrive in time at all is what Dagster's freshness policy watches.

    Parameters
    ----------
    newest
        Newest event up to the partition's end; None where the view has no row yet.
    allowed
        The declaration's `freshness`.
    partition_end
        End of the partition.
    """
    if newest is None:
        return CheckOutcome(
            FRESHNESS_CHECK, is_passed=False, severity="warning",
            description=f"the view has no row up to {partition_end.isoformat()}.",
            metadata={"allowed_hours": _hours(allowed)},
        )  # fmt: skip
    behind = max(partition_end - newest, timedelta(0))
    return CheckOutcome(
        FRESHNESS_CHECK,
        is_passed=behind <= allowed,
        severity="warning",
        description=f"newest event {newest.isoformat()}, {_hours(behind)} h before the partition's end.",
        metadata={"behind_hours": _hours(behind), "allowed_hours": _hours(allowed)},
    )


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 3)
