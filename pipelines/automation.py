"""When runs start: schedules and sensors that serve every pipeline at once.

A schedule per cadence and sensors for all pipelines, never a job per pipeline: resolving
a thousand jobs costs minutes. A sensor asks; what it does with the answer is decided in
the stages (`decide_retrain`), so everything here only reads events and forms run requests.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.windows import Window
from pipelines.alerting import alert_sensor
from pipelines.arrivals import arrived, done, make_known
from pipelines.retrains import asked_from, retrains_due
from pipelines.run_requests import reference_request, reference_selection, refresh_request
from resources.engine import Engine
from resources.lake import Lake
from sources.files import SourceError, source_files

ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets; runs select from it."""


_SPOKEN = str.maketrans({"*": "x", "/": "per", ",": "and", "-": "to", "#": "nth"})
"""Signs of cron expressions as a schedule's name may have them; different crons get different names."""

_CADENCE_CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"}


def schedules(pipelines: Sequence[Pipeline]) -> list[dg.ScheduleDefinition]:
    """Build one schedule for every cron and zone in use; each asks for the refreshes of its pipelines.

    Partitions of rows and of loads end when data comes, which the source sensor sees: without a declared
    cron they have no schedule.
    """
    groups: dict[tuple[str, str], list[Pipeline]] = {}
    for pipeline in pipelines:
        spec = pipeline.spec
        cron = spec.schedule or _CADENCE_CRONS.get(spec.partitions.every)
        if cron is not None:
            groups.setdefault((cron, spec.partitions.timezone), []).append(pipeline)
    return [_schedule(cron, zone, group) for (cron, zone), group in sorted(groups.items())]


def _schedule(cron: str, zone: str, group: Sequence[Pipeline]) -> dg.ScheduleDefinition:
    slug = re.sub(r"\W+", "_", cron.translate(_SPOKEN)).strip("_")
    names = ", ".join(pipeline.name for pipeline in group)

    @dg.schedule(
        name=f"refresh_{slug}_{re.sub(r'[^A-Za-z0-9]+', '_', zone)}",
        cron_schedule=cron,
        execution_timezone=zone,
        # Not a selection of assets: that would be a job of its own, which cannot hold pipelines of
        # different partitions.
        job_name=ASSET_JOB,
        description=f"Refreshes the newest partition of: {names}.",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, lake: Lake, engine: Engine
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        for pipeline in group:
            partitions, why_not = _due(pipeline, context.instance, now, lake, engine)
            if not partitions:
                yield dg.SkipReason(f"{pipeline.name}: {why_not}")
                continue
            if _lacks_reference_tables(context.instance, pipeline):
                # First in the queue, and runs of one pipeline do not overlap.
                yield reference_request(pipeline, run_key=f"{pipeline.name}:reference:{now.isoformat()}")
            make_known(pipeline, partitions, context.instance)
            for partition in partitions:
                run_key = f"{pipeline.name}:{partition.key}:{now.isoformat()}"
                yield refresh_request(pipeline, partition, run_key=run_key)

    return refresh


def _due(
    pipeline: Pipeline, instance: DagsterInstance, now: datetime, lake: Lake, engine: Engine
) -> tuple[Sequence[Window], str]:
    """List the partitions to refresh, oldest first; where there is none, say why.

    Of time it is the newest that has ended, whether it was run before or not: rows may have come late.
    Of rows and loads it is each that was not run.
    """
    try:
        there = arrived(pipeline, now, lake=lake, engine=engine)
    except DriftlineError as error:
        return [], str(error)
    if not there:
        return [], f"no partition has ended by {now:%Y-%m-%d %H:%M %Z}"
    finished = done(pipeline, instance, lake)
    if not pipeline.spec.partitions.is_calendar:
        return [w for w in there if w.key not in finished], "no new rows have arrived"
    newest = there[-1]
    if newest.key in finished and _is_over(pipeline, now):
        return [], f"its last partition {newest.key} is done"
    return [newest], ""


def _lacks_reference_tables(instance: DagsterInstance, pipeline: Pipeline) -> bool:
    return any(not instance.get_latest_materialization_event(key) for key in reference_selection(pipeline))


def _is_over(pipeline: Pipeline, now: datetime) -> bool:
    end = pipeline.spec.partitions.end
    return end is not None and end.replace(tzinfo=None) <= now.astimezone(UTC).replace(tzinfo=None)


def _now() -> datetime:
    return datetime.now(UTC)


def drift_sensor(pipelines: Sequence[Pipeline], clock: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """Build the sensor that requests a retrain for each drift report that asks, until it is made.

    The cursor is the storage id of the newest event seen, and the reports without an answer. A retrain
    carries its report's id as a tag and in its run key, so that a lost cursor, a restart or a replay
    cannot ask twice; one that was killed or failed is asked for again, a few times and ever later.
    """
    known = {pipeline.name for pipeline in pipelines}

    @dg.sensor(
        name="drift_sensor",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a retrain (training set and model) for every drift report that asks for one.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        asked = asked_from(context.cursor)
        due = retrains_due(context.instance, known, asked, clock(), is_asked_by_person=False)
        n_waiting = len(due.asked.unanswered)
        said = f"{due.n_read} materializations since the last tick; {n_waiting} retrains go on or are tried again later"
        return dg.SensorResult(
            run_requests=due.requests,
            skip_reason=None if due.requests else said,
            cursor=due.asked.text,
        )

    return sense


def source_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that starts a refresh when a source's files changed.

    The cursor holds the fingerprint (names, sizes, times) of every source.
    """

    @dg.sensor(
        name="source_sensor",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Reads a source again when its files changed: reference tables wholly, others their newest partition, or those that arrived.",
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, engine: Engine) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        requests: list[dg.RunRequest] = []
        for pipeline in pipelines:
            changed = _changed_datasets(pipeline, seen)
            requests += _reference_requests(pipeline, changed)
            if any(pipeline.spec.datasets[name].is_partitioned for name in changed):
                partitions, _ = _due(pipeline, context.instance, now, lake, engine)
                make_known(pipeline, partitions, context.instance)
                marks = "|".join(changed.values())
                requests += [
                    refresh_request(pipeline, w, run_key=f"source:{pipeline.name}:{w.key}:{marks}")
                    for w in partitions
                ]
            seen |= {f"{pipeline.name}/{name}": mark for name, mark in changed.items()}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen, sort_keys=True))

    return sense


def _changed_datasets(pipeline: Pipeline, seen: Mapping[str, str]) -> dict[str, str]:
    """Return the datasets whose source is not what the cursor remembers, with the new mark."""
    marks: dict[str, str] = {}
    for name, dataset in pipeline.spec.datasets.items():
        try:
            files = source_files(dataset.source, folder=Path(pipeline.folder))
        except SourceError:
            continue  # Not there yet: the run that needs it will say so.
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        mark = json.dumps(stats)
        if seen.get(f"{pipeline.name}/{name}") != mark:
            marks[name] = mark
    return marks


def _reference_requests(pipeline: Pipeline, changed: Mapping[str, str]) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        marks = "|".join(changed[name] for name in reference)
        yield reference_request(pipeline, reference, run_key=f"source:{pipeline.name}:{marks}")


def automation(pipelines: Sequence[Pipeline]) -> dg.Definitions:
    """Collect the schedules and sensors of all pipelines."""
    if not pipelines:
        return dg.Definitions()
    return dg.Definitions(
        schedules=schedules(pipelines),
        sensors=[
            drift_sensor(pipelines),
            source_sensor(pipelines),
            alert_sensor(pipelines),
        ],
    )
