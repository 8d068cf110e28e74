"""The open incidents of a pipeline as an asset check of its drift report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.materialization import CheckOutcome

if TYPE_CHECKING:
    from resources.alerts.incident_log import Incident

INCIDENT_CHECK = "no_open_incidents"


def incident_check(firing: Sequence[Incident]) -> CheckOutcome:
    """Pass where nothing fires; otherwise say what does, and since which window.

    A check and not metadata: metadata belongs to one window and is written before the alerts have
    seen it, while a check has one state, which the alert sensor sets anew when an incident begins
    or ends, and which Dagster shows on the asset and in its health.
    """
    listed = [
        {
            "kind": incident.kind,
            "feature": incident.feature,
            "severity": incident.severity,
            "since": incident.opened_in,
            "text": incident.text,
            "silence": incident.silence,
        }
        for incident in firing
    ]
    is_critical = any(incident.severity == "critical" for incident in firing)
    return CheckOutcome(
        name=INCIDENT_CHECK,
        is_passed=not firing,
        severity="critical" if is_critical else "warning",
        description=f"{len(firing)} open incidents, as of the newest report that the alert sensor has read."
        if firing
        else "No open incident, as of the newest report that the alert sensor has read.",
        metadata={"incidents": listed},
    )
