"""The product's own decision, by its own functions, on a window of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from benchmarks.policy.life import Answer, Look
from benchmarks.policy.streams import SENSOR
from benchmarks.policy.training import known_rows
from declaration.drift import DriftSpec, RetrainSpec
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import decide_retrain
from drift.sketch.counts import ReferenceSketch
from drift.window import Findings, Relations, ScoringModel, build_reference, evidence_of, examine, loss_after

LABEL_LOOKBACK = 12
"""Earlier windows whose predictions are looked up for late labels, as in the drift report's asset."""

SENSOR_LIMITS = (-50.0, 50.0)
MIN_WITHIN_LIMITS = 0.99
"""The expectation that the declaration would hold, with severity critical: readings within limits, mostly."""

ON_DRIFT = RetrainSpec(on=("drift",), cooldown=0, min_new_labels=0)
"""Asked for the dataset-level verdict alone: does the drift weigh enough to act upon?"""


@dataclass
class Ours:
    """Drift report, policy and gate, on the settings of a declaration."""

    retrain: RetrainSpec
    drift: DriftSpec = field(default_factory=DriftSpec)
    is_gated: bool = True
    _loss: OpenLoss | None = None
    _references: dict[int, ReferenceSketch] = field(default_factory=dict)
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
            problem="binary",
            partition=f"{look.window:03}",
            n_trainings=_n_trainings(look, self._loss),
        )
        evidence = evidence_of(
            findings,
            problem="binary",
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
        if look.version not in self._references:
            names = look.champion.data.feature_names
            self._references[look.version] = build_reference(self._connection, relations, names)
        return examine(
            self._connection,
            relations,
            _described(look),
            self._references[look.version],
            problem="binary",
            drift=self.drift,
            seed=0,
        )


def _n_trainings(look: Look, loss: OpenLoss | None) -> int:
    return 0 if loss is None else sum(window >= int(loss.since) for window in look.loss_trainings)


def _relations(connection: duckdb.DuckDBPyConnection, look: Look) -> Relations:
    stream, now = look.stream, look.window
    start, end = stream.start_us(now), stream.start_us(now + 1)
    tables = {
        "predictions": _scored(look, now, stream.windows[now]).drop_columns(["label", "label_time", "truth"]),
        "labels": known_rows(stream.windows[now], until_us=end),
        "realised": _realised(look, start, end),
        "training": look.champion.learned,
        "holdout": look.champion.holdout,
    }
    for name, table in tables.items():
        connection.register(name, table)
    return Relations("predictions", "labels", "realised", "training", "holdout")


def _realised(look: Look, start_us: int, end_us: int) -> pa.Table:
    """Return labels that are known now, with the serving version's scores."""
    parts = [known_rows(_scored(look, look.window, look.stream.windows[look.window]), until_us=end_us)]
    for window in range(max(look.stream.n_history, look.window - LABEL_LOOKBACK), look.window):
        if look.versions[window] == look.version:
            rows = _scored(look, window, look.stream.windows[window])
            parts.append(known_rows(rows, until_us=end_us, since_us=start_us))
    return pa.concat_tables(parts).select(["label", "event_timestamp", "score"])


def _scored(look: Look, window: int, rows: pa.Table) -> pa.Table:
    return rows.append_column("score", pa.array(look.scores[window]))


def _described(look: Look) -> ScoringModel:
    training = look.champion.training
    return ScoringModel(
        version=look.version,
        algorithm=training.model.algorithm,
        trained_as_of=f"{look.champion.window:03}",
        metric=training.metric,
        holdout_metric=training.holdout_metric,
        features=look.champion.data.feature_names,
        importances=training.importances,
    )


def _faults(look: Look) -> tuple[str, ...]:
    if SENSOR not in look.stream.features:
        return ()
    readings = look.stream.windows[look.window][SENSOR].to_numpy()
    low, high = SENSOR_LIMITS
    share = float(((readings >= low) & (readings <= high)).mean())
    return () if share >= MIN_WITHIN_LIMITS else (f"{share:.0%} of {SENSOR} are within {low:g} and {high:g}",)
