"""Signals of a drift report for the alerts: the faults it shows, and the features it cannot judge.

A window with too few rows, or without labels, is no sign of health: what could not be judged is
not among `judges`, and an incident of that kind stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from declaration.alerts import IncidentKind, Signal
from declaration.drift import LikelyDrift
from drift.columns.verdict import Role, Status
from drift.headline import is_performance_judged
from drift.wording import column_text

if TYPE_CHECKING:
    from drift.findings import Findings

INSUFFICIENT: Status = "insufficient data"

UNTOLD: frozenset[Status] = frozenset({INSUFFICIENT, "cannot be judged", "likely"})
"""Statuses that neither open an incident nor resolve one: what they stand for is not sure. What is likely does where the
declaration wants it to warn."""

_DRIFT_KINDS: Mapping[Role, IncidentKind] = {
    "feature": "feature_drift",
    "prediction": "prediction_drift",
    "label": "label_drift",
}


@dataclass(frozen=True)
class Signals:
    """Signals of a report for the alerts.

    Attributes
    ----------
    found
        What is wrong.
    judges
        Kinds that the window tells about: what is not found of these is sound.
    unknown
        Features of which it cannot tell.
    """

    found: tuple[Signal, ...] = ()
    judges: frozenset[IncidentKind] = frozenset()
    unknown: frozenset[str] = frozenset()

    def as_metadata(self) -> dict[str, object]:
        """Return them as plain values, in order."""
        return {
            "found": [vars(signal) for signal in self.found],
            "judges": sorted(self.judges),
            "unknown": sorted(self.unknown),
        }


def signals_of(
    findings: Findings,
    faults: tuple[str, ...],
    *,
    loss: str = "",
    estimated_loss: str = "",
    rollback: str = "",
    likely: LikelyDrift = "show",
) -> Signals:
    """Collect the signals of a window.

    Parameters
    ----------
    findings
        What the window shows.
    faults
        What is broken in the data, in words.
    loss, estimated_loss
        Losses in words; empty when they are not certain.
    rollback
        Why the champion was rolled back; empty when it was not.
    likely
        What drift does that is likely and not yet certain.

    Returns
    -------
    Signals
        Drift column by column, in the verdict's order: most important first.
    """
    judges: set[IncidentKind] = {"broken_data"}
    signals = [Signal("broken_data", fault_text(faults))] if faults else []
    if findings.champion is not None:
        judges.add("rolled_back")
        signals += [Signal("rolled_back", rollback)] if rollback else []
    if loss or is_performance_judged(findings):
        judges.add("performance")
        signals += [Signal("performance", loss)] if loss else []
    if findings.estimated.low is not None and findings.estimated.high is not None:
        judges.add("estimated_performance")
        signals += [Signal("estimated_performance", estimated_loss)] if estimated_loss else []
    verdict = findings.verdict
    if verdict is None or verdict.status == INSUFFICIENT:
        return Signals(tuple(signals), frozenset(judges))
    judges.add("feature_drift")
    unknown = set()
    for column in verdict.columns:
        kind = _DRIFT_KINDS[column.role]
        is_told = column.status == "drifted" or (column.status == "likely" and likely != "show")
        if not is_told and column.status in UNTOLD:
            unknown |= {column.column} if column.role == "feature" else set()
            continue
        judges.add(kind)
        if is_told:
            text = column_text(column, findings.reference[column.column], findings.current[column.column])
            signals.append(Signal(kind, text, column.column if column.role == "feature" else ""))
    return Signals(tuple(signals), frozenset(judges), frozenset(unknown))


def fault_text(faults: tuple[str, ...]) -> str:
    """Describe the faults of broken data in a sentence."""
    return f"{'; '.join(faults)}."


def signals_from_metadata(plain: object) -> Signals:
    """Read signals from the plain values of `as_metadata`.

    Raises
    ------
    KeyError, TypeError
        If it is something else.
    """
    if not isinstance(plain, Mapping):
        raise TypeError(f"signals are a mapping, not {type(plain).__name__}")
    # Another version may have told of kinds that this one does not know.
    judges = frozenset(kind for kind in get_args(IncidentKind) if kind in plain["judges"])
    signals = tuple(
        Signal(signal["kind"], str(signal["text"]), str(signal["feature"]))
        for signal in plain["found"]
        if signal["kind"] in judges
    )
    return Signals(signals, judges, frozenset(map(str, plain["unknown"])))
