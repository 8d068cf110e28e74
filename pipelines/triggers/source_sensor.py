"""The source sensor: a refresh when the files of a source changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from pipelines.triggers.due import due_windows
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.run_requests import reference_request, refresh_request
from pipelines.triggers.served import served
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.files import SourceError
from sources.source_type import Asked
from sources.types import type_of


def source_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that starts a refresh when a source's files changed.

    The cursor holds the mark of every source: of files names, sizes and times.
    """

    @dg.sensor(
        name="refresh_where_sources_changed",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Reads a source again when its files changed: reference tables wholly, others their newest partition, or those that arrived. "
        + served(pipelines),
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, engine: Engine) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        requests: list[dg.RunRequest] = []
        for pipeline in pipelines:
            changes = _changed_datasets(pipeline, seen, now, Path(engine.spill_directory))
            changed = {name: change.mark for name, change in changes.items()}
            requests += _reference_requests(pipeline, changed)
            if any(pipeline.spec.datasets[name].is_partitioned for name in changed):
                partitions, _ = due_windows(pipeline, context.instance, now, lake, engine)
                make_known(pipeline, partitions, context.instance)
                late = (window for change in changes.values() for window in change.late)
                wanted = {window.key: window for window in (*late, *partitions)}
                marks = "|".join(changed.values())
                requests += [
                    refresh_request(pipeline, w, run_key=f"source:{pipeline.name}:{w.key}:{marks}")
                    for _, w in sorted(wanted.items())
                ]
            seen |= {f"{pipeline.name}/{name}": mark for name, mark in changed.items()}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen, sort_keys=True))

    return sense


@dataclass(frozen=True)
class _Change:
    """A source that is not what it was: its new mark, and the partitions that got rows late, where it can tell."""

    mark: str
    late: Sequence[Window] = ()


def _changed_datasets(
    pipeline: Pipeline, seen: Mapping[str, str], now: datetime, scratch: Path
) -> dict[str, _Change]:
    """Return the datasets whose source is not what the cursor remembers."""
    changes: dict[str, _Change] = {}
    for name, dataset in pipeline.spec.datasets.items():
        before = seen.get(f"{pipeline.name}/{name}")
        try:
            mark = type_of(dataset.source).mark(dataset.source, Path(pipeline.folder))
            if mark != before:
                late = _late_windows(pipeline, name, before, now, scratch) if before is not None else ()
                changes[name] = _Change(mark, late)
        except SourceError:
            continue  # Not there yet: the run that needs it will say so.
    return changes


def _late_windows(
    pipeline: Pipeline, name: str, since: str, now: datetime, scratch: Path
) -> Sequence[Window]:
    """Return the partitions that have ended, and in which rows came or changed since a mark."""
    dataset, form = pipeline.spec.datasets[name], partitioning(pipeline.spec.partitions)
    changes = type_of(dataset.source).changes
    if changes is None or not dataset.is_partitioned or not form.ends_by_clock:
        return ()
    asked = Asked(Path(pipeline.folder), scratch, dataset=dataset, timezone=pipeline.spec.partitions.timezone)
    hours = changes(dataset.source, asked, since)
    windows = {w.key: w for hour in hours for w in form.overlapping(hour, hour + timedelta(hours=1))}
    return [window for _, window in sorted(windows.items()) if window.end <= now]


def _reference_requests(pipeline: Pipeline, changed: Mapping[str, str]) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        marks = "|".join(changed[name] for name in reference)
        yield reference_request(pipeline, reference, run_key=f"source:{pipeline.name}:{marks}")
