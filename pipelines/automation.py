"""Automation: the schedules, sensors and jobs that serve every pipeline at once.

A schedule for each pipeline, sensors and the moves of models for all of them, never a job for each: resolving a
thousand jobs costs minutes, a thousand schedules of Dagster's own job two CPU seconds. A sensor asks; what it does with the answer is decided in
the stages (`decide_retrain`), so everything here only reads events and forms run requests.
"""

from collections.abc import Sequence

import dagster as dg

from declaration.pipeline import Pipeline
from pipelines.alerting.sensor import alert_sensor
from pipelines.moves import move_jobs
from pipelines.triggers.drift_sensor import drift_sensor
from pipelines.triggers.schedules import schedules
from pipelines.triggers.source_sensor import source_sensor


def automation(pipelines: Sequence[Pipeline]) -> dg.Definitions:
    """Collect the schedules, sensors and jobs of all pipelines."""
    if not pipelines:
        return dg.Definitions()
    return dg.Definitions(
        jobs=move_jobs(pipelines),
        schedules=schedules(pipelines),
        sensors=[
            drift_sensor(pipelines),
            source_sensor(pipelines),
            alert_sensor(pipelines),
        ],
    )
