"""`driftline status [NAME]`: a row for each pipeline; of one, its newest windows too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click

from driftline.cli import FAULT, SUCCESS
from driftline.installation import json_option, name_argument
from driftline.printing import print_json
from driftline.status.reading import PipelineStatus, WindowStatus, faulty, read_status
from driftline.status.runs import newest_runs
from driftline.status.terminal import print_overview, print_pipeline
from pipelines.loading.declared import Declarations, declarations, find_pipeline
from resources.deployment import Deployment, deployment
from resources.lake.lake import Lake


@click.command()
@name_argument
@json_option
def status(name: str | None, as_json: bool) -> int:
    """Show how every pipeline stands, or one of them.

    For each pipeline: the newest window that has a report, its quality score and drift verdict, the model that
    serves (champion) and its metric on the newest labelled window against its holdout, the next run as declared,
    open incidents, and what it waits for. With NAME, the newest windows too. Nothing is run and nothing is
    written. Exit code 1 where a declaration is faulty or a table damaged.
    """
    installed, declared = deployment(os.environ), declarations()
    if name is not None and name not in declared.faults:
        find_pipeline(name)
    found = statuses(declared, installed, datetime.now(UTC), name)
    if as_json:
        documents = [as_document(one, has_windows=name is not None) for one in found]
        print_json({"home": str(installed.home), "pipelines": documents})
    elif name is not None:
        print_pipeline(found[0])
    else:
        print_overview(found, installed.home, declared.folder)
    return FAULT if any(one.fault for one in found) else SUCCESS


def statuses(
    declared: Declarations, installed: Deployment, now: datetime, name: str | None = None
) -> list[PipelineStatus]:
    """Read the status of every declared pipeline, or of one, in the order of their names."""
    lake = Lake(root=str(installed.lake_root))
    found = [faulty(one, fault) for one, fault in declared.faults.items() if name in (None, one)]
    for one, pipeline in declared.pipelines.items():
        if name in (None, one):
            found.append(read_status(pipeline, lake, now, partial(newest_runs, installed, one)))
    return sorted(found, key=lambda one: one.pipeline)


def as_document(one: PipelineStatus, *, has_windows: bool) -> Mapping[str, object]:
    """Return a status as JSON; its keys are stable (docs/how-to/status.md)."""
    next_run = one.next_run
    return {
        "pipeline": one.pipeline,
        "state": one.state,
        "fault": one.fault or None,
        "window": _document(one.newest),
        "champion": one.champion,
        "labelled_window": _document(one.labelled),
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
            for incident in one.incidents
        ],
        "waits_for": [asdict(waiting) for waiting in one.waits_for],
        **({"windows": [_document(window) for window in one.windows]} if has_windows else {}),
    }


def _document(window: WindowStatus | None) -> Mapping[str, object] | None:
    return None if window is None else asdict(window)
