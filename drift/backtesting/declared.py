"""The product's own decision on a window of a history, on the settings of a declaration, by its own functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from declaration.drift import DriftSpec, RetrainSpec
from declaration.model import ModelSpec
from drift.backtesting.course import Answer, Look, Rules, Way
from drift.backtesting.history import History, known_rows
from drift.backtesting.versions import Version
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
"""Earlier windows whose predictions are looked up for late labels, as in the drift report."""

N_RECENT = 7
"""Windows before this one that are judged with it: those of few labels, and the sketches of rows."""

ON_DRIFT = RetrainSpec(on=("drift",), cooldown=0, min_new_labels=0)
"""Asked for the dataset-level verdict alone: does the drift weigh enough to act upon?"""


@dataclass
class Declared:
    """Drift report, policy and gate, on the settings of a declaration.

    Attributes
    ----------
    model, retrain, drift
        Its blocks.
    watches
        The drift of all columns is judged: of use where `retrain.on` has `drift`, or where alarms are counted.
    lookback
        Earlier windows whose labels may arrive in a window.
    """

    model: ModelSpec = field(default_factory=ModelSpec)
    retrain: RetrainSpec = field(default_factory=RetrainSpec)
    drift: DriftSpec = field(default_factory=DriftSpec)
    watches: bool = False
    lookback: int = LABEL_LOOKBACK
    way: Way = "judged"
    _loss: OpenLoss | None = None
    _references: dict[int, tuple[ReferenceSketch, ReferenceRelations]] = field(default_factory=dict)
    _losses: dict[int, list[Floats]] = field(default_factory=dict)
    _sketches: list[tuple[int, WindowSketch]] = field(default_factory=list)
    _connection: duckdb.DuckDBPyConnection = field(
        default_factory=lambda: duckdb.connect(config={"threads": 1})
    )

    @property
    def span(self) -> int | None:
        """Windows that a training learns from."""
        return self.model.train_window

    @property
    def rules(self) -> Rules:
        """Rules by which challengers are judged."""
        model = self.model
        return Rules(model.gate, self.drift, self.retrain.probation, model.adapt_window, model.seed)

    def look(self, look: Look) -> Answer:
        """Write the drift report's evidence, and decide."""
        findings = self._findings(look)
        names, problem = look.history.names, look.history.problem
        self._loss = loss_after(
            findings,
            self._loss,
            problem=problem,
            partition=names[look.window],
            n_trainings=self._n_since(look, look.trainings),
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
            loss_since=self._lost_since(look) if is_loss and self._loss else None,
            why=decision.reason,
        )

    def _lost_since(self, look: Look) -> int:
        assert self._loss is not None
        return look.history.names.index(self._loss.since)

    def _n_since(self, look: Look, trainings: Sequence[int]) -> int:
        """Count trainings since the open loss."""
        return 0 if self._loss is None else sum(window >= self._lost_since(look) for window in trainings)

    def _evidence(self, look: Look, findings: Findings) -> Evidence:
        evidence = evidence_of(
            findings,
            problem=look.history.problem,
            drift=self.drift,
            n_new_labels=look.history.n_known(look.window, since_us=look.champion.knows_until_us),
            age=look.window - look.champion.window,
            since_training=look.window - look.last_training,
            faults=look.faults,
            open_loss=self._loss,
            since_loss=look.window - self._lost_since(look) if self._loss else 0,
            n_loss_trainings=self._n_since(look, look.loss_trainings),
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
        relations = self._relations(look)
        features = self._features(look.history)
        has_calendar = look.history.has_calendar
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
            problem=look.history.problem,
            drift=self.drift,
            seed=self.model.seed,
            has_calendar=has_calendar,
            earlier_losses=earlier_losses,
            earlier=sketches[-N_RECENT:] if self.watches else (),
            since_us=look.history.starts_us[look.window],
        )
        self._sketches.append((look.number, findings.current))
        if findings.losses is not None:
            earlier_losses.append(findings.losses.means)
        return findings

    def _features(self, history: History) -> tuple[str, ...]:
        """Return the features whose drift is judged: none where the decision does not read it."""
        return tuple(sorted(history.features)) if self.watches else ()

    def _relations(self, look: Look) -> Relations:
        history, now, min_rows = look.history, look.window, self.drift.min_rows
        predictions = _scored(look, now).drop_columns(["label", "label_time"])
        realised = self._realised(look, now)
        earlier = range(now - 1, max(history.n_history, now - N_RECENT) - 1, -1)
        recent = {
            f"recent_{since}": self._realised(look, since)
            for since in earlier
            if realised.num_rows < min_rows
        }
        tables = {
            # No part of the decision: without rows neither drift nor an estimate is computed.
            "predictions": predictions if self.watches else predictions.slice(0, 0),
            "labels": known_rows(history.windows[now], until_us=history.end_us(now)),
            "realised": realised,
            "training": look.champion.learned(history),
            "holdout": _with_output(look.champion.holdout),
            **recent,
        }
        for name, table in tables.items():
            self._connection.register(name, table)
        naive_values = self._known_values(look) if history.entity_labels is not None else ""
        return Relations(
            "predictions", "labels", "realised", "training", "holdout", tuple(recent), naive_values
        )

    def _known_values(self, look: Look) -> str:
        """Return the SQL of the values known of the rows' entities when each row was predicted, as the drift report does."""
        history = look.history
        assert history.entity_labels is not None
        labels = known_rows(history.entity_labels, until_us=history.end_us(look.window))
        self._connection.register("entity_labels", labels)
        entity, timezone = history.entity, history.timezone
        seasons = fitting_seasons(self._connection, "entity_labels", entity)
        return known_values(
            "entity_labels", "entity_labels", entity=entity, seasons=seasons, timezone=timezone
        )

    def _realised(self, look: Look, since: int) -> pa.Table:
        """Return this window's labels, and those of earlier ones that became known from a window on, with the version's scores."""
        history, now = look.history, look.window
        start, end = history.starts_us[since], history.end_us(now)
        parts = [known_rows(_scored(look, now), until_us=end)]
        for window in range(max(history.n_history, now - self.lookback), now):
            if look.numbers[window - history.n_history] == look.number:
                parts.append(known_rows(_scored(look, window), until_us=end, since_us=start))
        fields = [score_field.name for score_field in score_fields(history.problem)]
        return pa.concat_tables(parts).select(["row_id", "label", "event_timestamp", *fields])


def _scored(look: Look, window: int) -> pa.Table:
    history, version = look.history, look.champion
    rows = history.windows[window]
    scores = version.score_window(history, window)
    for name, values in score_columns(history.problem, version.model.classes, scores).items():
        rows = rows.append_column(name, values)
    return _with_output(rows)


def _with_output(rows: pa.Table) -> pa.Table:
    """Watch a multiclass model's output as the class it names."""
    return rows.append_column(SCORE_COLUMN, rows["prediction"]) if "prediction" in rows.column_names else rows


def _described(look: Look, features: tuple[str, ...]) -> ScoringModel:
    version: Version = look.champion
    judged = version.judged
    return ScoringModel(
        version=look.number,
        algorithm=version.model.algorithm,
        trained_as_of=look.history.names[version.window],
        metric=judged.metric,
        holdout_metric=judged.holdout_metric,
        features=features,
        importances={name: judged.importances[name] for name in features},
        classes=version.model.classes,
    )
