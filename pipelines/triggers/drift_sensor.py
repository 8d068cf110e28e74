"""The drift sensor: a retrain for each drift report that asks for one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from declaration.pipeline import Pipeline
from pipelines.triggers.retrains import asked_from, retrains_due
from pipelines.triggers.served import served


def _now() -> datetime:
    return datetime.now(UTC)


def drift_sensor(pipelines: Sequence[Pipeline], clock: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """Build the sensor that requests a retrain for each drift report that asks, until it is made.

    The cursor is the storage id of the newest event seen, and the reports without an answer. A retrain
    carries its report's id as a tag and in its run key, so that a lost cursor, a restart or a replay
    cannot ask twice; one that was killed or failed is asked for again, a few times and ever later.
    """
    names = {pipeline.name for pipeline in pipelines}

    @dg.sensor(
        name="retrain_where_reports_ask",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a retrain (training set and model) for every drift report that asks for one. "
        + served([pipeline for pipeline in pipelines if pipeline.spec.target is not None]),
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        asked_before = asked_from(context.cursor)
        due = retrains_due(context.instance, names, asked_before, clock(), is_asked_by_person=False)
        n_waiting = len(due.asked.unanswered)
        summary = f"{due.n_read} materializations since the last tick; {n_waiting} retrains go on or are tried again later"
        return dg.SensorResult(
            run_requests=due.requests,
            skip_reason=None if due.requests else summary,
            cursor=due.asked.text,
        )

    return sense
