"""The product's own decision, by its own functions, on a window of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.policy.life import Answer, Look
from benchmarks.policy.streams.stream import SENSOR_LIMITS, Stream
from benchmarks.policy.training import Version, known_rows
from declaration.drift import DriftSpec, RetrainSpec
from drift.columns.verdict import SCORE_COLUMN
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import decide_retrain
from drift.season.verdict import ReferenceRelations
from drift.sketch.counts import ReferenceSketch
from drift.window import (
    Findings,
    Relations,
    ScoringModel,
    build_reference,
    build_relations,
    evidence_of,
    examine,
    loss_after,
)
from learning.metrics import Floats
from learning.score_columns import score_columns, score_fields

LABEL_LOOKBACK = 12
"""Earlier windows whose predictions are looked up for late labels, as in the drift report's asset."""

MIN_WITHIN_LIMITS = 0.99
"""The expectation that the declaration would hold, with severity critical: readings within limits, mostly."""

ON_DRIFT = RetrainSpec(on=("drift",), cooldown=0, min_new_labels=0)
"""Asked for the dataset-level verdict alone: does the drift weigh enough to act upon?"""


@dataclass
class Ours:
    """Drift report, policy and gate, on the settings of a declaration.

    Attributes
    ----------
    retrain, span
        Its `retrain` block, and `model.train_window` less what the labels are late.
    """

    retrain: RetrainSpec
    span: int | None = None
    drift: DriftSpec = field(default_factory=DriftSpec)
    is_gated: bool = True
    _loss: OpenLoss | None = None
    _references: dict[int, tuple[ReferenceSketch, ReferenceRelations]] = field(default_factory=dict)
    _losses: dict[int, list[Floats]] = field(default_factory=dict)
    _connection: duckdb.DuckDBPyConnection = field(
        default_factory=lambda: duckdb.connect(config={"threads": 1})
    )

    def look(self, look: Look) -> Answer:
        """Write the drift report's evidence, and decide."""
        findings = self._findings(look)
        arrived = (
            known_rows(
                rows, until_us=look.stream.start_us(look.window + 1), since_us=look.champion.knows_until_us
            )
            for rows in look.stream.windows[: look.window + 1]
        )
        self._loss = loss_after(
            findings,
            self._loss,
            problem=look.stream.problem,
            partition=f"{look.window:03}",
            n_trainings=_n_trainings(look, self._loss),
        )
        evidence = evidence_of(
            findings,
            problem=look.stream.problem,
            drift=self.drift,
            n_new_labels=sum(rows.num_rows for rows in arrived),
            age=look.window - look.champion.window,
            since_training=look.window - look.last_training,
            faults=_faults(look),
            open_loss=self._loss,
            since_loss=look.window - int(self._loss.since) if self._loss else 0,
            n_loss_trainings=_n_trainings(look, self._loss),
        )
        decision = decide_retrain(evidence, self.retrain)
        weighty = decide_retrain(evidence, ON_DRIFT).reason == "drift"
        return Answer(
            is_requested=decision.is_requested,
            is_alarm=weighty or bool(evidence.loss) or bool(evidence.critical_faults),
            any_column=findings.verdict is not None and findings.verdict.status == "drifted",
            is_loss=decision.is_requested and decision.reason == "performance",
            is_broken=decision.reason == "broken_data",
            why=decision.reason,
        )

    def _findings(self, look: Look) -> Findings:
        relations = _relations(self._connection, look)
        features = _watched(look)
        if look.number not in self._references:
            reference = build_reference(self._connection, relations, features)
            season = build_relations(self._connection, relations, reference, features, has_calendar=True)
            self._references[look.number] = reference, season
        earlier = self._losses.setdefault(look.number, [])
        findings = examine(
            self._connection,
            relations,
            _described(look, features),
            *self._references[look.number],
            problem=look.stream.problem,
            drift=self.drift,
            seed=0,
            earlier_losses=earlier,
        )
        if findings.losses is not None:
            earlier.append(findings.losses.means)
        return findings


def _watched(look: Look) -> tuple[str, ...]:
    """Return the features whose drift is judged: it is no part of the decision unless a stream is about it."""
    return look.champion.data.feature_names if look.stream.is_watched else ()


def _n_trainings(look: Look, loss: OpenLoss | None) -> int:
    return 0 if loss is None else sum(window >= int(loss.since) for window in look.loss_trainings)


def _relations(connection: duckdb.DuckDBPyConnection, look: Look) -> Relations:
    stream, now = look.stream, look.window
    end = stream.start_us(now + 1)
    scored = _scored(stream, look.champion, now)
    tables = {
        "predictions": scored.drop_columns(["label", "label_time", "truth"]),
        "labels": known_rows(stream.windows[now], until_us=end),
        "realised": _realised(look),
        "training": look.champion.learned,
        "holdout": _with_output(look.champion.holdout),
    }
    for name, table in tables.items():
        connection.register(name, table)
    return Relations("predictions", "labels", "realised", "training", "holdout")


def _realised(look: Look) -> pa.Table:
    """Return labels that are known now, with the serving version's scores."""
    stream, now = look.stream, look.window
    start, end = stream.start_us(now), stream.start_us(now + 1)
    parts = [known_rows(_scored(stream, look.champion, now), until_us=end)]
    for window in range(max(stream.n_history, now - LABEL_LOOKBACK), now):
        if look.numbers[window - stream.n_history] == look.number:
            rows = _scored(stream, look.champion, window)
            parts.append(known_rows(rows, until_us=end, since_us=start))
    fields = [field.name for field in score_fields(stream.problem)]
    return pa.concat_tables(parts).select(["label", "event_timestamp", *fields])


def _scored(stream: Stream, version: Version, window: int) -> pa.Table:
    rows = stream.windows[window]
    scores = version.score_window(stream, window)
    for name, values in score_columns(stream.problem, version.model.classes, scores).items():
        rows = rows.append_column(name, values)
    return _with_output(rows)


def _with_output(rows: pa.Table) -> pa.Table:
    """Watch a multiclass model's output as the class it names."""
    return rows.append_column(SCORE_COLUMN, rows["prediction"]) if "prediction" in rows.column_names else rows


def _described(look: Look, features: tuple[str, ...]) -> ScoringModel:
    training = look.champion.trained
    return ScoringModel(
        version=look.number,
        algorithm=training.model.algorithm,
        trained_as_of=f"{look.champion.window:03}",
        metric=training.metric,
        holdout_metric=training.holdout_metric,
        features=features,
        importances={name: training.importances[name] for name in features},
    )


def _faults(look: Look) -> tuple[str, ...]:
    if not look.stream.is_bounded:
        return ()
    low, high = SENSOR_LIMITS
    readings = look.stream.windows[look.window]["x0"].to_numpy()
    share = float(np.mean((readings >= low) & (readings <= high)))
    return () if share >= MIN_WITHIN_LIMITS else (f"{share:.0%} of x0 are within {low:g} and {high:g}",)
