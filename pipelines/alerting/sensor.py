"""The alert sensor: reads drift reports and the ends of runs, and sends the alerts that follow.

It only reads events; what they mean is decided in `pipelines.alerting.incidents`, and what is known of a
pipeline lies in the lake. So a restart, or a lost cursor, changes nothing.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster import DagsterEventType, DagsterInstance

from assets.drift_report.incident_check import incident_check
from assets.raw.source_columns import new_columns
from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from pipelines.alerting.delivery import Sent, deliver, take_in
from pipelines.alerting.facts import newest_partition, pipelines_of, report_facts, run_facts
from pipelines.alerting.history import is_past, replayed_runs
from pipelines.alerting.incidents import Facts, alert_policy
from pipelines.alerting.source_columns import source_column_facts
from pipelines.alerting.stale_features import freshness_facts
from pipelines.alerting.waiting_approvals import approval_facts
from pipelines.triggers.events import ends_of_runs_after, is_report_of, materializations_after
from pipelines.triggers.served import served
from resources.alerts.channels import Channels
from resources.alerts.incident_log import Incidents
from resources.lake.lake import Lake
from resources.locks import LockBusyError, file_lock
from resources.model_registry.ledger import read_ledger

LOCK = ".alerts.telling"
"""File beside a pipeline's tables that is locked while its alerts are made and sent. The lake's own locks there
are `.<table>.lock` and `.<table>.commit`, and are taken while this one is held."""

SENDING_TIME = timedelta(seconds=30)
"""After it no sending is begun in a tick: Dagster ends one after 60 seconds."""


@dataclass(frozen=True)
class Cursor:
    """Position of the sensor.

    Attributes
    ----------
    event
        Storage id of the newest materialization that was read.
    succeeded, failed
        Storage ids of the newest ends of runs that were read.
    waiting
        Pipelines with alerts that are still to be sent.
    freshness, approvals, columns
        By pipeline, the event that the freshness of its views, the approvals that it waits for, and new columns of its
        sources last gave.
    """

    event: int = 0
    succeeded: int = 0
    failed: int = 0
    waiting: tuple[str, ...] = ()
    freshness: Mapping[str, str] = field(default_factory=dict)
    approvals: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


def read_cursor(text: str | None) -> Cursor:
    """Read what `json.dumps(asdict(cursor))` wrote; the beginning of time for anything else."""
    try:
        plain = json.loads(text or "{}")
        return Cursor(
            int(plain["event"]),
            int(plain["succeeded"]),
            int(plain["failed"]),
            tuple(plain["waiting"]),
            dict(plain["freshness"]),
            # Cursors of before there were any.
            dict(plain.get("approvals", {})),
            dict(plain.get("columns", {})),
        )
    except (KeyError, TypeError, ValueError):
        return Cursor()


def _now() -> datetime:
    return datetime.now(UTC)


def alert_sensor(pipelines: Sequence[Pipeline], clock: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """Build the sensor that tells people of incidents, and of their ends, by a clock."""
    by_name = {pipeline.name: pipeline for pipeline in pipelines}

    @dg.sensor(
        name="alert_people",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people when something is wrong, from drift reports, failed runs, stale features and models that wait for approval, "
        "and when it is over. "
        "What a replay found about the past is recorded, and told to nobody. " + served(pipelines),
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, channels: Channels) -> dg.SkipReason:
        before = read_cursor(context.cursor)
        news = _news(context.instance, by_name, channels, before, clock())
        freshness = {
            name: _freshness(pipeline, context.instance, channels, clock())
            for name, pipeline in by_name.items()
        }
        approvals, unread = _approvals(by_name, before.approvals, lake, channels, clock())
        columns, unlisted = _columns(by_name, before.columns, lake, channels, clock())
        for looked_up, seen in (
            (freshness, before.freshness),
            (approvals, before.approvals),
            (columns, before.columns),
        ):
            for name, facts in looked_up.items():
                if facts is not None and seen.get(name) != facts.event:
                    news.facts.setdefault(name, []).append(facts)
        down: set[str] = set()
        until = clock() + SENDING_TIME
        visits = [
            _visit(
                by_name[name], news.facts.get(name, ()), context.instance, lake, channels, clock, until, down
            )
            for name in sorted({*news.facts, *before.waiting} & set(by_name))
        ]
        busy = [visit.name for visit in visits if visit.is_busy]
        if busy:
            # The cursor stays where it is, and what was taken in is recorded, and is not taken twice.
            return dg.SkipReason(
                f"another process sends the alerts of {', '.join(busy)}; this one looks again later."
            )
        faults = [*unread, *unlisted, *(visit.fault for visit in visits if visit.fault)]
        if faults:
            raise DriftlineError(f"alerts of some pipelines could not be recorded. {' '.join(faults)}")
        waiting = tuple(visit.name for visit in visits if visit.sent.n_waiting)
        cursor = replace(
            news.read,
            waiting=waiting,
            freshness=_events(freshness),
            approvals=_events(approvals),
            columns=_events(columns),
        )
        context.update_cursor(json.dumps(asdict(cursor)))
        n_sent = sum(visit.sent.n_sent for visit in visits)
        summary = f"{n_sent} messages sent; messages of {len(waiting)} pipelines wait"
        return dg.SkipReason(
            "; ".join([summary, *(text for visit in visits for text in visit.sent.problems)])
        )

    return sense


def _events(looked_up: Mapping[str, Facts | None]) -> Mapping[str, str]:
    return {name: facts.event for name, facts in looked_up.items() if facts is not None}


@dataclass(frozen=True)
class _News:
    """Events since the last tick, by pipeline, and the cursor up to where it was read."""

    facts: dict[str, list[Facts]]
    read: Cursor


def _news(
    instance: DagsterInstance,
    pipelines: Mapping[str, Pipeline],
    channels: Channels,
    before: Cursor,
    now: datetime,
) -> _News:
    facts: dict[str, list[Facts]] = defaultdict(list)
    names = set(pipelines)
    events = materializations_after(instance, before.event)
    reports = [record for record in events if is_report_of(record, names)]
    replayed = replayed_runs(instance, reports)
    for record in reports:
        report = report_facts(record, channels)
        if record.run_id in replayed:
            partitions = pipelines[report.pipeline].spec.partitions
            is_about_past = is_past(partitions, report.partition, report.occurred_at, now)
            report = replace(report, is_past=is_about_past)
        facts[report.pipeline].append(report)
    succeeded = ends_of_runs_after(instance, DagsterEventType.RUN_SUCCESS, before.succeeded)
    failed = ends_of_runs_after(instance, DagsterEventType.RUN_FAILURE, before.failed)
    # In the order in which they were recorded, whatever the clocks said.
    for end in sorted([*succeeded, *failed], key=lambda it: it.storage_id):
        for name in pipelines_of(end.run, names):
            run = run_facts(end, name, channels, instance, now)
            facts[name] += [run] if run is not None else []
    read = replace(
        before,
        event=events[-1].storage_id if events else before.event,
        succeeded=succeeded[-1].storage_id if succeeded else before.succeeded,
        failed=failed[-1].storage_id if failed else before.failed,
    )
    return _News(facts, read)


@dataclass(frozen=True)
class _Visit:
    """Outcome of a tick for one pipeline; `fault` says why nothing could be, unless another process is at it."""

    name: str
    sent: Sent
    fault: str = ""
    is_busy: bool = False


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
    patience = max(until - clock(), timedelta())
    try:
        # From reading what is known to writing down what was sent: of two daemons one tells.
        with file_lock(lake.table_path(name) / LOCK, patience=patience):
            state = take_in(lake, name, spec, news, channels, clock())
            if state is not None:
                _show(instance, name, state)
            sent = deliver(lake, name, spec.alerts, channels, clock=clock, until=until, down=down)
        return _Visit(name, sent)
    except LockBusyError:
        return _Visit(name, Sent(0, 0, ()), is_busy=True)
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
        silences=_held_back(pipeline, now),
        link=channels.report_link(pipeline.name, None),
    )


def _approvals(
    pipelines: Mapping[str, Pipeline],
    before: Mapping[str, str],
    lake: Lake,
    channels: Channels,
    now: datetime,
) -> tuple[Mapping[str, Facts], Sequence[str]]:
    """Say what waits for a person, where one is asked or was; and of which pipelines the ledger cannot be read, and why."""
    facts, faults = {}, []
    for name, pipeline in pipelines.items():
        is_asked = pipeline.spec.model.gate.approval == "manual"
        if not is_asked and name not in before:
            continue
        try:
            decisions = read_ledger(lake, name)
        except DriftlineError as error:
            faults.append(f"{name}: {error}")
            continue
        found = approval_facts(
            name,
            decisions,
            now=now,
            silences=_held_back(pipeline, now),
            link=channels.report_link(name, None),
        )
        facts[name] = found
    return facts, faults


def _columns(
    pipelines: Mapping[str, Pipeline],
    before: Mapping[str, str],
    lake: Lake,
    channels: Channels,
    now: datetime,
) -> tuple[Mapping[str, Facts], Sequence[str]]:
    """Say which columns came to sources, where that is asked for or was; and of which pipelines it cannot be read, and why."""
    facts, faults = {}, []
    for name, pipeline in pipelines.items():
        datasets = pipeline.spec.datasets if pipeline.spec.alerts.new_source_columns else {}
        if not datasets and name not in before:
            continue
        try:
            new = {dataset: new_columns(lake, name, dataset) for dataset in datasets}
        except DriftlineError as error:
            faults.append(f"{name}: {error}")
            continue
        facts[name] = source_column_facts(
            name,
            datasets,
            new,
            now=now,
            silences=_held_back(pipeline, now),
            link=channels.report_link(name, None),
        )
    return facts, faults


def _held_back(pipeline: Pipeline, now: datetime) -> Sequence[str]:
    """List the reasons of a pipeline's silences that hold at an instant."""
    return [silence.reason for silence in alert_policy(pipeline.spec).silences if now < silence.until]


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
