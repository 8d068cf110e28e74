"""The product's own decision, by its own functions, on a window of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from benchmarks.policy.life import Answer, Look
from benchmarks.policy.streams.stream import Stream
from benchmarks.policy.training import Version, known_rows
from declaration.drift import DriftSpec, RetrainSpec
from drift.columns.verdict import SCORE_COLUMN
from drift.evidence import evidence_of, loss_after
from drift.examination import build_reference, build_relations, examine
from drift.findings import Findings, Relations, ScoringModel
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import Evidence, decide_retrain
from drift.season.verdict import ReferenceRelations
from drift.sketch.counts import ReferenceSketch, WindowSketch
from learning.known_values import fitting_seasons, known_values
from learning.metrics import Floats
from learning.score_columns import score_columns, score_fields

LABEL_LOOKBACK = 12
"""Earlier windows whose predictions are looked up for late labels, as in the drift report's asset."""

N_RECENT = 7
"""Windows before this one that are judged with it: those of few labels, and the sketches of rows."""

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
    _sketches: list[tuple[int, WindowSketch]] = field(default_factory=list)
    _connection: duckdb.DuckDBPyConnection = field(
        default_factory=lambda: duckdb.connect(config={"threads": 1})
    )

    def look(self, look: Look) -> Answer:
        """Write the drift report's evidence, and decide."""
        findings = self._findings(look)
        self._loss = loss_after(
            findings,
            self._loss,
            problem=look.stream.problem,
            partition=f"{look.window:03}",
            n_trainings=_n_since(look.trainings, self._loss),
        )
        evidence = self._evidence(look, findings)
        decision = decide_retrain(evidence, self.retrain)
        is_loss = decision.is_requested and decision.reason == "performance"
        return Answer(
            is_requested=decision.is_requested,
            is_alarm=decide_retrain(evidence, ON_DRIFT).reason == "drift"
            or evidence.is_lost
            or bool(evidence.critical_faults),
            any_column=findings.verdict is not None and findings.verdict.status == "drifted",
            loss_since=int(self._loss.since) if is_loss and self._loss else None,
            why=decision.reason,
        )

    def _evidence(self, look: Look, findings: Findings) -> Evidence:
        end, knows_until = look.stream.start_us(look.window + 1), look.champion.knows_until_us
        arrived = (
            known_rows(rows, until_us=end, since_us=knows_until)
            for rows in look.stream.windows[: look.window + 1]
        )
        evidence = evidence_of(
            findings,
            problem=look.stream.problem,
            drift=self.drift,
            n_new_labels=sum(rows.num_rows for rows in arrived),
            age=look.window - look.champion.window,
            since_training=look.window - look.last_training,
            faults=look.faults,
            open_loss=self._loss,
            since_loss=look.window - int(self._loss.since) if self._loss else 0,
            n_loss_trainings=_n_since(look.loss_trainings, self._loss),
        )
        probation = look.probation
        if probation is None:
            return evidence
        return replace(
            evidence,
            rollback=probation.explanation if probation.is_failed else "",
            beaten=probation.explanation if probation.is_beaten else "",
        )

    def _findings(self, look: Look) -> Findings:
        relations = _relations(self._connection, look, self.drift.min_rows)
        features = _watched(look)
        has_calendar = not look.stream.is_ordered_only
        if look.number not in self._references:
            reference = build_reference(self._connection, relations, features)
            season = build_relations(
                self._connection, relations, reference, features, has_calendar=has_calendar
            )
            self._references[look.number] = reference, season
        earlier_losses = self._losses.setdefault(look.number, [])
        # A window that another version scored has none of this one's columns.
        sketches = [sketch if number == look.number else {} for number, sketch in self._sketches]
        findings = examine(
            self._connection,
            relations,
            _described(look, features),
            *self._references[look.number],
            problem=look.stream.problem,
            drift=self.drift,
            seed=0,
            has_calendar=has_calendar,
            earlier_losses=earlier_losses,
            earlier=sketches[-N_RECENT:] if look.stream.is_watched else (),
            since_us=look.stream.start_us(look.window),
        )
        self._sketches.append((look.number, findings.current))
        if findings.losses is not None:
            earlier_losses.append(findings.losses.means)
        return findings


def _watched(look: Look) -> tuple[str, ...]:
    """Return the features whose drift is judged: it is no part of the decision unless a stream is about it."""
    return look.champion.data.feature_names if look.stream.is_watched else ()


def _n_since(trainings: Sequence[int], loss: OpenLoss | None) -> int:
    return 0 if loss is None else sum(window >= int(loss.since) for window in trainings)


def _relations(connection: duckdb.DuckDBPyConnection, look: Look, min_rows: int) -> Relations:
    stream, now = look.stream, look.window
    scored = _scored(stream, look.champion, now)
    realised = _realised(look, now)
    earlier = range(now - 1, max(stream.n_history, now - N_RECENT) - 1, -1)
    recent = {f"recent_{since}": _realised(look, since) for since in earlier if realised.num_rows < min_rows}
    predictions = scored.drop_columns(["label", "label_time", "truth"])
    tables = {
        # No part of the decision: without rows neither drift nor an estimate is computed.
        "predictions": predictions if stream.is_watched else predictions.slice(0, 0),
        "labels": known_rows(stream.windows[now], until_us=stream.start_us(now + 1)),
        "realised": realised,
        "training": look.champion.learned,
        "holdout": _with_output(look.champion.holdout),
        **recent,
    }
    for name, table in tables.items():
        connection.register(name, table)
    known = _known_values(connection, look) if stream.last_value else ""
    return Relations("predictions", "labels", "realised", "training", "holdout", tuple(recent), known)


def _known_values(connection: duckdb.DuckDBPyConnection, look: Look) -> str:
    """Say what was known of the one series when each row was predicted, as the drift report does."""
    end = look.stream.start_us(look.window + 1)
    columns = ["row_id", "event_timestamp", "label", "label_time"]
    parts = [
        known_rows(rows, until_us=end).select(columns) for rows in look.stream.windows[: look.window + 1]
    ]
    connection.register("known", pa.concat_tables(parts))
    seasons = fitting_seasons(connection, "known", ())
    return known_values("known", "known", entity=(), seasons=seasons, timezone="UTC")


def _realised(look: Look, since: int) -> pa.Table:
    """Return this window's labels, and those of earlier ones that became known from a window on, with the version's scores."""
    stream, now = look.stream, look.window
    start, end = stream.start_us(since), stream.start_us(now + 1)
    parts = [known_rows(_scored(stream, look.champion, now), until_us=end)]
    for window in range(max(stream.n_history, now - LABEL_LOOKBACK), now):
        if look.numbers[window - stream.n_history] == look.number:
            rows = _scored(stream, look.champion, window)
            parts.append(known_rows(rows, until_us=end, since_us=start))
    fields = [field.name for field in score_fields(stream.problem)]
    return pa.concat_tables(parts).select(["row_id", "label", "event_timestamp", *fields])


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
