"""Who is told when: one sensor that reads drift reports and the ends of runs.

It only reads events; what they mean is decided in `pipelines.incidents`, and what is known of a
pipeline lies in the lake. So a restart, or a lost cursor, changes nothing.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster import DagsterInstance

from assets.drift_report.incident_check import incident_check
from assets.materialization import Pipeline
from pipelines.alert_delivery import Sent, deliver, take_in
from pipelines.alert_facts import newest_partition, pipelines_of, report_facts, run_facts
from pipelines.events import is_report_of, materializations_after
from pipelines.incidents import Facts, alert_policy
from pipelines.spec import DriftlineError
from pipelines.stale_features import freshness_facts
from resources.channels import Channels
from resources.incidents import Incidents
from resources.lake import Lake

RUNS_PER_TICK = 200
"""Ends of runs read by one tick."""

OVERLAP = timedelta(minutes=1)
"""Runs are read again so far back: each process writes its own time of change."""

SENDING_TIME = timedelta(seconds=30)
"""After it no sending is begun in a tick: Dagster ends one after 60 seconds."""

ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]


@dataclass(frozen=True)
class Cursor:
    """Where the sensor stands.

    Attributes
    ----------
    event
        Storage id of the newest materialization that was read.
    runs
        Time of change of the newest run that was read, ISO; '' for none.
    waiting
        Pipelines with alerts that are still to be sent.
    freshness
        By pipeline, the event that the freshness of its views last gave.
    """

    event: int = 0
    runs: str = ""
    waiting: tuple[str, ...] = ()
    freshness: Mapping[str, str] = field(default_factory=dict)


def read_cursor(text: str | None) -> Cursor:
    """Read what `json.dumps(asdict(cursor))` wrote; the beginning of time for anything else."""
    try:
        plain = json.loads(text or "{}")
        freshness = dict(plain.get("freshness", {}))
        return Cursor(int(plain["event"]), str(plain["runs"]), tuple(plain["waiting"]), freshness)
    except (KeyError, TypeError, ValueError):
        return Cursor()


def _now() -> datetime:
    return datetime.now(UTC)


def alert_sensor(pipelines: Sequence[Pipeline], clock: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """Build the sensor that tells people of incidents, and of their ends, by a clock."""
    known = {pipeline.name: pipeline for pipeline in pipelines}

    @dg.sensor(
        name="alert_sensor",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people when something is wrong, from drift reports, failed runs and stale features, and when it is over.",
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, channels: Channels) -> dg.SkipReason:
        before = read_cursor(context.cursor)
        news = _news(context.instance, set(known), channels, before)
        freshness = {
            name: _freshness(one, context.instance, channels, clock()) for name, one in known.items()
        }
        for name, facts in freshness.items():
            if facts is not None and before.freshness.get(name) != facts.event:
                news.facts.setdefault(name, []).append(facts)
        down: set[str] = set()
        until = clock() + SENDING_TIME
        visits = [
            _visit(
                known[name], news.facts.get(name, ()), context.instance, lake, channels, clock, until, down
            )
            for name in sorted({*news.facts, *before.waiting} & set(known))
        ]
        faults = [visit.fault for visit in visits if visit.fault]
        if faults:
            # The cursor stays where it is: what was taken in is recorded, and is not taken twice.
            raise DriftlineError(f"alerts of some pipelines could not be recorded. {' '.join(faults)}")
        waiting = tuple(visit.name for visit in visits if visit.sent.n_waiting)
        seen = {name: facts.event for name, facts in freshness.items() if facts is not None}
        context.update_cursor(json.dumps(asdict(Cursor(news.event, news.runs, waiting, seen))))
        n_sent = sum(visit.sent.n_sent for visit in visits)
        told = f"{n_sent} messages sent; messages of {len(waiting)} pipelines wait"
        return dg.SkipReason("; ".join([told, *(text for visit in visits for text in visit.sent.problems)]))

    return sense


@dataclass(frozen=True)
class _News:
    """What happened since the last tick, by pipeline, and where the next one begins."""

    facts: dict[str, list[Facts]]
    event: int
    runs: str


def _news(instance: DagsterInstance, known: set[str], channels: Channels, before: Cursor) -> _News:
    facts: dict[str, list[Facts]] = defaultdict(list)
    events = materializations_after(instance, before.event)
    for record in events:
        if is_report_of(record, known):
            report = report_facts(record, channels)
            facts[report.pipeline].append(report)
    since = datetime.fromisoformat(before.runs) - OVERLAP if before.runs else None
    runs = instance.get_run_records(
        dg.RunsFilter(statuses=ENDED, updated_after=since),
        limit=RUNS_PER_TICK,
        order_by="update_timestamp",
        ascending=True,
    )
    for ended in runs:
        for name in pipelines_of(ended.dagster_run, known):
            run = run_facts(ended, name, channels, instance)
            facts[name] += [run] if run is not None else []
    return _News(
        facts,
        event=events[-1].storage_id if events else before.event,
        runs=runs[-1].update_timestamp.isoformat() if runs else before.runs,
    )


@dataclass(frozen=True)
class _Visit:
    """What was done for one pipeline; `fault` says why nothing could be."""

    name: str
    sent: Sent
    fault: str = ""


def _visit(
    pipeline: Pipeline,
    news: Sequence[Facts],
    instance: DagsterInstance,
    lake: Lake,
    channels: Channels,
    clock: Callable[[], datetime],
    until: datetime,
    down: set[str],
) -> _Visit:
    """Take in a pipeline's news and send what is due; one that cannot be read does not stop the others."""
    name, spec = pipeline.name, pipeline.spec
    try:
        state = take_in(lake, name, spec, news, channels, clock())
        if state is not None:
            _show(instance, name, state)
        return _Visit(name, deliver(lake, name, spec.alerts, channels, clock=clock, until=until, down=down))
    except DriftlineError as error:
        return _Visit(name, Sent(0, 0, ()), f"{name}: {error}")


def _freshness(
    pipeline: Pipeline, instance: DagsterInstance, channels: Channels, now: datetime
) -> Facts | None:
    """Say which views are past their declared freshness; None where no view declares one."""
    spec = pipeline.spec
    newest = [
        newest_partition(pipeline.name, name, view.freshness, instance)
        for name, view in spec.features.items()
        if view.freshness is not None
    ]
    if not newest:
        return None
    end = spec.partitions.end
    return freshness_facts(
        pipeline.name,
        newest,
        now=now,
        ends=end if end is None or end.tzinfo else end.replace(tzinfo=ZoneInfo(spec.partitions.timezone)),
        silences=[one.reason for one in alert_policy(spec).silences if now < one.until],
        link=channels.report_link(pipeline.name, None),
    )


def _show(instance: DagsterInstance, name: str, state: Incidents) -> None:
    """Set the check of the drift report to what is open now."""
    outcome = incident_check(state.firing)
    is_critical = outcome.severity == "critical"
    shown: Any = outcome.metadata["incidents"]
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey([name, "drift_report"]),
            check_name=outcome.name,
            passed=outcome.is_passed,
            severity=dg.AssetCheckSeverity.ERROR if is_critical else dg.AssetCheckSeverity.WARN,
            description=outcome.description,
            metadata={"incidents": dg.MetadataValue.json(shown)},
        )
    )
