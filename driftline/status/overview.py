"""Statuses of all declared pipelines, and their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial

from driftline.status.reading import PipelineStatus, WindowStatus, faulty, read_status
from driftline.status.runs import newest_runs
from pipelines.loading.declared import Declarations
from resources.deployment import Deployment
from resources.lake.lake import Lake


def statuses(
    declared: Declarations, installed: Deployment, now: datetime, name: str | None = None
) -> list[PipelineStatus]:
    """Read the status of every declared pipeline, or of one, in the order of their names."""
    lake = Lake(root=str(installed.lake_root))
    results = [
        faulty(pipeline_name, fault)
        for pipeline_name, fault in declared.faults.items()
        if name in (None, pipeline_name)
    ]
    for pipeline_name, pipeline in declared.pipelines.items():
        if name in (None, pipeline_name):
            results.append(read_status(pipeline, lake, now, partial(newest_runs, installed, pipeline_name)))
    return sorted(results, key=lambda result: result.pipeline)


def as_document(status: PipelineStatus, *, has_windows: bool) -> Mapping[str, object]:
    """Return a status as JSON; its keys are those of the command."""
    next_run = status.next_run
    return {
        "pipeline": status.pipeline,
        "state": status.state,
        "fault": status.fault or None,
        "window": _document(status.newest),
        "champion": status.champion,
        "labelled_window": _document(status.labelled),
        "next_run": {
            "at": next_run.at.isoformat() if next_run.at else None,
            "begun_by": next_run.begun_by,
            "note": next_run.note or None,
        }
        if next_run
        else None,
        "incidents": [
            {
                "kind": incident.kind,
                "feature": incident.feature or None,
                "severity": incident.severity,
                "opened_at": incident.opened_at.isoformat(),
                "opened_in": incident.opened_in,
                "text": incident.text,
            }
            for incident in status.incidents
        ],
        "waits_for": [asdict(waiting) for waiting in status.waits_for],
        **({"windows": [_document(window) for window in status.windows]} if has_windows else {}),
    }


def _document(window: WindowStatus | None) -> Mapping[str, object] | None:
    return None if window is None else asdict(window)
