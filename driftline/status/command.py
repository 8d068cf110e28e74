"""`driftline status [NAME]`: a row for each pipeline; of one, its newest windows too."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from driftline.cli import FAULT, SUCCESS
from driftline.installation import json_output, name_argument
from driftline.printing import print_json

_WINDOW_KEYS = {
    "partition": "key",
    "n_rows": "rows of the window",
    "n_labelled": "labelled rows",
    "quality_score": "worst quality score of its datasets, in [0, 1]",
    "drift_status": "drifted, likely, cannot be judged, stable, insufficient data, or null where nothing was compared",
    "drift_score": "drift score, in [0, 1]",
    "drifted_features": "names of the features that drifted",
    "likely_features": "names of those that likely did",
    "unjudged_features": "names of those that cannot be judged",
    "metric": "name of the metric",
    "realised": "its value on the labelled rows",
    "realised_low": "lower end of its interval",
    "realised_high": "upper end",
    "estimated": "its value estimated without labels",
    "holdout": "its value on the holdout of the model that served",
    "model_version": "version that served",
    "is_retrain_requested": "whether a training was asked for",
    "headline": "the sentence that its report leads with, never calmer than the worst that is known",
    "explanation": "the verdict in words",
    "page": "path of its page below the reports",
    "skill": "share of the best naive baseline's loss that the model avoids, on the labelled rows",
    "baseline": "name of that baseline",
    "proper_score": "mean log loss or squared error of the model on the labelled rows; smaller is better",
    "base_rate_score": "the same of always saying the base rate",
}

KEYS = {
    "home": "folder of the installation",
    "pipelines": "every declared pipeline, or the one that is named",
    "pipelines[].pipeline": "its name",
    "pipelines[].state": "ok, never ran, faulty declaration or damaged",
    "pipelines[].fault": "what is wrong; null where nothing is",
    "pipelines[].champion": "version that serves; null before the first",
    "pipelines[].window": "newest window with a report, with the keys of `windows[]`; null where there is none",
    "pipelines[].labelled_window": "newest window whose metric is known, likewise",
    "pipelines[].next_run": "as declared: `at` (ISO, in the zone of the partitions, or null), `begun_by` (schedule, sensor "
    "or nothing), `note`",
    "pipelines[].incidents": "those that are open",
    "pipelines[].incidents[].kind": "kind of incident",
    "pipelines[].incidents[].feature": "feature or view; null for kinds that have none",
    "pipelines[].incidents[].severity": "info, warning or critical",
    "pipelines[].incidents[].opened_at": "instant at which it was first read",
    "pipelines[].incidents[].opened_in": "window in which it was first seen",
    "pipelines[].incidents[].text": "what was found",
    "pipelines[].waits_for": "what must happen before it goes on; empty where nothing must",
    "pipelines[].waits_for[].what": "source, run, retrain, labels, approval or refresh",
    "pipelines[].waits_for[].text": "in a few words",
    "pipelines[].waits_for[].detail": "what is known about it, and what to do",
    "pipelines[].windows": "with NAME alone: the newest windows, oldest first",
    **{f"pipelines[].windows[].{key}": text for key, text in _WINDOW_KEYS.items()},
}


@click.command()
@name_argument
@json_output(KEYS)
def status(name: str | None, as_json: bool) -> int:
    """Show how every pipeline stands, or one of them.

    For each pipeline: the newest window that has a report, its quality score and drift verdict, the model that
    serves (champion) and its metric on the newest labelled window against its holdout, the next run as declared,
    open incidents, and what it waits for. With NAME, the newest windows too. Nothing is run and nothing is
    written. Exit code 1 where a declaration is faulty or a table damaged.
    """
    from driftline.status.overview import as_document, statuses
    from driftline.status.terminal import print_overview, print_pipeline
    from pipelines.loading.declared import declarations, find_pipeline
    from resources.deployment import deployment

    installed, declared = deployment(os.environ), declarations()
    if name is not None and name not in declared.faults:
        find_pipeline(name)
    results = statuses(declared, installed, datetime.now(UTC), name)
    if as_json:
        documents = [as_document(result, has_windows=name is not None) for result in results]
        print_json({"home": str(installed.home), "pipelines": documents})
    elif name is not None:
        print_pipeline(results[0])
    else:
        print_overview(results, installed.home, declared.folder)
    return FAULT if any(result.fault for result in results) else SUCCESS
