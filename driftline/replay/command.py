"""`driftline replay [NAME]`: a pipeline's past partitions, walked in order."""

from __future__ import annotations

from dataclasses import asdict

import click

from driftline.cli import INTERRUPTED, SUCCESS
from driftline.installation import json_output, name_argument, opened, partition_option
from driftline.printing import console, print_json

KEYS = {
    "pipeline": "its name",
    "reports": "folder of the drift reports",
    "partitions": "every partition that has a drift report, oldest first",
    "partitions[].partition": "key",
    "partitions[].n_rows": "rows of its datasets that passed",
    "partitions[].n_quarantined": "rows that were put aside",
    "partitions[].quality": "worst quality score of its datasets, in [0, 1]",
    "partitions[].drift_score": "drift score, in [0, 1]",
    "partitions[].n_drifted": "features that drifted",
    "partitions[].estimated": "metric of the model that served, estimated without labels",
    "partitions[].realised": "the same, with labels",
    "partitions[].unseen_share": "share of the labelled rows with a class that the model never saw",
    "partitions[].frozen": "metric that the first model would have realised, never retrained",
    "partitions[].model_version": "version that served",
    "partitions[].is_retrain_requested": "whether a training was asked for",
    "partitions[].headline": "the sentence that its report leads with",
    "partitions[].explanation": "why, or why not",
    "partitions[].trained": "version that was trained, and whether it was promoted; empty for none",
    "partitions[].is_waiting": "whether a training waits for labels",
}


@click.command()
@name_argument
@partition_option("--from", "first", "First partition to walk; by default the oldest.")
@partition_option("--to", "last", "Last partition to walk; by default the newest that has ended.")
@json_output(KEYS)
def replay(name: str | None, first: str | None, last: str | None, as_json: bool) -> int:
    """Walk a pipeline's past partitions in order.

    Every partition is refreshed from raw to drift report, and what a report asks for is trained, as schedules and
    sensors would have done. What is done already is not done again: interrupt it at any time, and start it
    again to resume. It ends with what happened in every partition, also those of earlier runs.
    """
    from driftline.history import history, print_history
    from driftline.replay.walk import replay_pipeline

    installed = opened()
    shown = console(stderr=as_json)
    try:
        pipeline, connections = replay_pipeline(installed, name, first, last, shown)
    except KeyboardInterrupt:
        shown.print("\nInterrupted. Start it again to resume.")
        return INTERRUPTED
    reports = installed.home / "reports" / pipeline.name
    if as_json:
        partitions = [asdict(month) for month in history(pipeline, connections)]
        print_json({"pipeline": pipeline.name, "reports": str(reports), "partitions": partitions})
        return SUCCESS
    print_history(pipeline, connections, shown)
    shown.print(f"\nReports: {reports}   Web UI: driftline dev", markup=False)
    return SUCCESS
