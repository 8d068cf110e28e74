"""Naive forecasts beside a training: the judged rows, forecast from labels that were known by then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from assets.materialization import StageRun
from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from declaration.sql import quote_literal
from declaration.target_sql import entity_keys
from learning.baselines import JudgedBaselines, LabelledRows, forecast_judged
from learning.blocks import time_blocks
from learning.known_values import KNOWN_NAMES, fitting_seasons, known_indices, known_values
from learning.metrics import Floats, MetricError, Scored, metric_value
from learning.skill import Skill, skill_loss, skill_text, skills_against, worse_than_baseline_text
from learning.train import Training
from learning.training_rows import TrainingSet
from resources.lake.lake import scan

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class NaiveResults:
    """How naive forecasts did on a training's judged rows.

    Attributes
    ----------
    figures
        Metrics by the baseline's name.
    skills
        The challenger, out of fold, against each of them on the same rows; the best baseline first.
    """

    figures: Mapping[str, Mapping[Metric, float]]
    skills: tuple[Skill, ...]

    @property
    def warning(self) -> str:
        """Say that the challenger is surely worse than a baseline; empty where it is not."""
        return worse_than_baseline_text(self.skills)

    def explained(self, explanation: str) -> str:
        """Add to a gate's explanation how the challenger does against the best baseline; first of all, where it is worse."""
        if self.warning:
            return f"{self.warning} {explanation}"
        return f"{explanation}; {skill_text(self.skills[0])}" if self.skills else explanation


def judge_naively(run: StageRun, data: TrainingSet, training: Training) -> NaiveResults:
    """Forecast the rows that a training was judged on naively, as it could have been done at the time."""
    n_classes = 0 if data.problem == "regression" else max(2, len(data.classes))
    rows = LabelledRows(data.labels, data.event_time_us, data.label_time_us, _known(run, data))
    naive = forecast_judged(data.problem, rows, training.judged, n_classes=n_classes)
    figures = {name: _metrics(data, scored) for name, scored in naive.scored.items()}
    return NaiveResults(figures, _skills(run, data, training, naive))


def _known(run: StageRun, data: TrainingSet) -> Mapping[str, Floats]:
    """Read what was known of each training row's entity; nothing where the lake has no labels beside the set."""
    table, window = run.table("labels"), run.scope.window
    if window is None or not run.lake.has(table):
        return {}
    labels = run.lake.snapshot(table)
    until_now = scan(labels, [key for key in labels.partitions if key <= window.key])
    end = f"CAST({quote_literal(window.end.isoformat())} AS TIMESTAMPTZ)"
    known = f"(SELECT * FROM {until_now} WHERE label IS NOT NULL AND label_time < {end})"
    entity = tuple(name for name in entity_keys(run.pipeline.spec) if name in labels.schema.names)
    with run.engine.connect() as connection:
        seasons = fitting_seasons(connection, known, entity)
        timezone = run.spec.partitions.timezone
        query = known_values(known, known, entity=entity, seasons=seasons, timezone=timezone)
        found = _in_order(connection, query, data)
    return {
        name: known_indices(found[name], data.problem, data.classes)
        for name in KNOWN_NAMES
        if name in found.column_names
    }


def _in_order(connection: duckdb.DuckDBPyConnection, query: str, data: TrainingSet) -> pa.Table:
    asked = pa.table(
        {
            "place": np.arange(data.labels.size),
            "row_id": data.rows["row_id"],
            "event_timestamp": data.rows["event_timestamp"],
        }
    )
    connection.register("asked_rows", asked)
    try:
        return connection.sql(
            "SELECT * EXCLUDE (row_id, event_timestamp) FROM asked_rows LEFT JOIN "
            # A key may come again at the same instant in another partition; either says the same.
            f"(SELECT DISTINCT ON (row_id, event_timestamp) * FROM ({query})) USING (row_id, event_timestamp) "
            "ORDER BY place"
        ).to_arrow_table()
    finally:
        connection.unregister("asked_rows")


def _metrics(data: TrainingSet, scored: Scored) -> Mapping[Metric, float]:
    values: dict[Metric, float] = {}
    for name in METRICS_BY_PROBLEM[data.problem]:
        with suppress(MetricError):
            values[name] = metric_value(name, scored)
    return values


def _skills(
    run: StageRun, data: TrainingSet, training: Training, naive: JudgedBaselines
) -> tuple[Skill, ...]:
    if not naive.scored:
        return ()
    held = training.holdout
    return skills_against(
        Scored(held.labels[naive.positions], held.scores[naive.positions]),
        naive.scored,
        time_blocks(data.event_time_us[training.judged[naive.positions]]),
        loss=skill_loss(data.problem, training.metric),
        seed=run.spec.model.seed,
    )
