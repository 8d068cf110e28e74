"""The source sensor: a refresh when the files of a source changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from declaration.pipeline import Pipeline
from pipelines.triggers.due import due_windows
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.inbox import take_in
from pipelines.triggers.run_requests import reference_request, refresh_request
from pipelines.triggers.served import served
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.files import SourceError
from sources.types import type_of


def source_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that starts a refresh when a source's files changed.

    The cursor holds the mark of every source, of files names, sizes and times, and of files in inboxes by their path.
    """

    @dg.sensor(
        name="refresh_where_sources_changed",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Takes in the files of inboxes. Reads a source again when its files changed: reference tables wholly, others "
        "their newest partition, or those that arrived. " + served(pipelines),
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, engine: Engine) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        requests: list[dg.RunRequest] = []
        waiting: dict[str, str] = {}
        for pipeline in pipelines:
            # First: what it puts in place is a change of the source.
            waiting |= take_in(pipeline, seen, lake, engine, now)
            changed = _changed_datasets(pipeline, seen)
            requests += _reference_requests(pipeline, changed)
            if any(pipeline.spec.datasets[name].is_partitioned for name in changed):
                partitions, _ = due_windows(pipeline, context.instance, now, lake, engine)
                make_known(pipeline, partitions, context.instance)
                marks = "|".join(changed.values())
                requests += [
                    refresh_request(pipeline, w, run_key=f"source:{pipeline.name}:{w.key}:{marks}")
                    for w in partitions
                ]
            seen |= {f"{pipeline.name}/{name}": mark for name, mark in changed.items()}
        marks_of_sources = {key: mark for key, mark in seen.items() if not key.startswith("/")}
        return dg.SensorResult(
            run_requests=requests, cursor=json.dumps({**marks_of_sources, **waiting}, sort_keys=True)
        )

    return sense


def _changed_datasets(pipeline: Pipeline, seen: Mapping[str, str]) -> dict[str, str]:
    """Return the datasets whose source is not what the cursor remembers, with the new mark."""
    marks: dict[str, str] = {}
    for name, dataset in pipeline.spec.datasets.items():
        try:
            mark = type_of(dataset.source).mark(dataset.source, Path(pipeline.folder))
        except SourceError:
            continue  # Not there yet: the run that needs it will say so.
        if seen.get(f"{pipeline.name}/{name}") != mark:
            marks[name] = mark
    return marks


def _reference_requests(pipeline: Pipeline, changed: Mapping[str, str]) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        marks = "|".join(changed[name] for name in reference)
        yield reference_request(pipeline, reference, run_key=f"source:{pipeline.name}:{marks}")
