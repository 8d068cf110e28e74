"""Probation of a new champion: both versions score the same rows, and a rollback is written to the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assets.drift_report.window_inputs import Inputs
from assets.materialization import StageRun
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from drift.examination import surely_lost
from drift.performance.labelled_rows import labels_known, read_scored_rows
from drift.performance.realised import ScoredRows
from drift.retraining.former import N_LOOKS, Cause, Change, former_champion
from drift.retraining.probation import Probation, judge_probation, score_pair
from learning.fitted import FittedModel
from learning.metrics import Scored
from learning.model_file import model_from_bytes
from learning.threads import limited_threads
from learning.train import chosen_metric
from learning.training_rows import label_indices, microseconds
from resources.lake.lake import Snapshot, scan
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import (
    CONFIRMED_LOSS,
    GATE,
    PROBATION_ACTOR,
    Decision,
    aliases_after,
    trusted_sha256,
)
from resources.model_registry.registry import ModelRegistry

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MAX_SHADOW_ROWS = 200_000
"""Rows that the predecessor scores, drawn by the hash of their key: more would cost memory and tell nothing new."""


def shadow_champion(
    pipeline: Pipeline,
    window: Window,
    *,
    decisions: Sequence[Decision],
    inputs: Inputs,
    connection: duckdb.DuckDBPyConnection,
    registry: ModelRegistry,
) -> Probation | None:
    """Compare the champion with its predecessor on the first windows that it served, and with the model that a loss replaced.

    None where neither is to be compared, as without `retrain.probation`.

    Parameters
    ----------
    pipeline, window
        The pipeline and the window of the report.
    decisions
        The ledger.
    inputs
        The report's pinned tables.
    connection, registry
        Where the rows and the models are read.
    """
    changes = [decision for decision in decisions if decision.champion_after != decision.champion_before]
    n_first = pipeline.spec.retrain.probation
    if not changes or changes[-1].champion_before is None:
        return None
    newest = changes[-1]
    if newest.actor == PROBATION_ACTOR and newest.partition == window.key:
        # The same report once more says the same.
        return Probation(**newest.report)
    if newest.actor not in (GATE, PROBATION_ACTOR) or n_first == 0:
        # A champion that a person has chosen is not on probation.
        return None
    shadow = _Shadow(pipeline, window, decisions, newest, inputs, connection, registry)
    probation = shadow.of_predecessor(n_first) if newest.actor == GATE else None
    former = former_champion(
        Change(decision.champion_before, decision.champion_after, _cause(decision)) for decision in changes
    )
    if former is None or (probation is not None and (probation.is_failed or probation.is_beaten)):
        return probation
    watched = shadow.of_former(former)
    return watched if watched is not None and watched.is_failed else probation


def _cause(change: Decision) -> Cause:
    if change.actor == PROBATION_ACTOR:
        return "rollback"
    if change.actor != GATE:
        return "person"
    return "loss" if change.reason.startswith(CONFIRMED_LOSS) else "training"


@dataclass(frozen=True)
class _Shadow:
    """The champion's rows since the newest change, to be scored by an earlier version too."""

    pipeline: Pipeline
    window: Window
    decisions: Sequence[Decision]
    newest: Decision
    inputs: Inputs
    connection: duckdb.DuckDBPyConnection
    registry: ModelRegistry

    def of_predecessor(self, n_first: int) -> Probation | None:
        """Compare with the model before, on the first windows that the champion served."""
        assert self.newest.champion_before is not None
        return self._compare(self.newest.champion_before, self._rows(self._served[:n_first]), n_first)

    def of_former(self, version: int) -> Probation | None:
        """Compare with the model that a loss replaced, on the labels that became known in this window."""
        return self._compare(version, self._rows(self._served, since=self.window.start), N_LOOKS)

    @property
    def _served(self) -> Sequence[str]:
        keys = self.inputs.predictions.partitions
        return [key for key in keys if self.newest.partition < key <= self.window.key]

    def _compare(self, previous: int, rows: pa.Table | None, n_looks: int) -> Probation | None:
        version, spec = self.newest.champion_after, self.pipeline.spec
        assert version is not None
        if rows is None:
            return None
        champion, before = self._model(version), self._model(previous)
        pair = score_pair(rows, champion, before)
        if pair is None:
            return None
        return judge_probation(
            pair,
            version=version,
            previous=previous,
            problem=spec.learned.problem,
            alpha=spec.model.gate.alpha,
            n_looks=n_looks,
            seed=spec.model.seed,
            previous_loss=_loss_of(self.pipeline, before, previous, rows, self.inputs, self.connection),
        )

    def _model(self, version: int) -> FittedModel:
        sha256 = trusted_sha256(self.decisions, version)
        content = self.registry.model_file(self.pipeline.name, version, sha256=sha256)
        return model_from_bytes(content, ledger_sha256=sha256)

    def _rows(self, served: Sequence[str], since: datetime | None = None) -> pa.Table | None:
        """Read the champion's predictions in some windows, with labels known since; None where no label is new."""
        if not served:
            return None
        labels, end = self.inputs.labels, self.window.end
        label_rows = scan(labels, [key for key in served if key in labels.partitions])
        fresh = labels_known(label_rows, until=end, since=self.window.start)
        if not self.connection.sql(f"SELECT 1 FROM {fresh} LIMIT 1").fetchall():
            return None
        rows = self.connection.sql(
            f"SELECT p.*, l.label FROM {labels_known(label_rows, until=end, since=since)} AS l "
            f"JOIN (SELECT * FROM {scan(self.inputs.predictions, served)} "
            f"WHERE model_version = {self.newest.champion_after}) AS p "
            f"USING (row_id, event_timestamp) ORDER BY hash(row_id), row_id LIMIT {MAX_SHADOW_ROWS}"
        ).to_arrow_table()
        return rows if rows.num_rows else None


def _loss_of(
    pipeline: Pipeline,
    model: FittedModel,
    version: int,
    rows: pa.Table,
    inputs: Inputs,
    connection: duckdb.DuckDBPyConnection,
) -> str:
    """Describe a version's sure loss against its own holdout on some rows; empty where there is none."""
    assert inputs.holdout is not None
    problem, spec = pipeline.spec.learned.problem, pipeline.spec
    scores = scan(inputs.holdout, [str(version)])
    holdout = read_scored_rows(connection, scores, problem, model.classes)
    with limited_threads(1):
        scored = Scored(label_indices(rows["label"], problem, model.classes), model.score(rows))
    now = ScoredRows(scored, microseconds(rows["event_timestamp"]))
    metric = chosen_metric(spec.model, problem)
    return surely_lost(problem, metric, holdout, now, drift=spec.drift, seed=spec.model.seed)


def roll_back(run: StageRun, window: Window, failed: Probation, registry: ModelRegistry) -> Snapshot | None:
    """Let the predecessor serve again: one more row of the ledger, and the aliases after it.

    The same report, written again, changes nothing; nor does one whose champion no longer serves.
    """

    def decide(decisions: Sequence[Decision]) -> Decision | None:
        if aliases_after(decisions)["champion"] != failed.version:
            return None
        return Decision(
            instant=run.scope.clock,
            partition=window.key,
            actor=PROBATION_ACTOR,
            action="rolled back",
            version=failed.previous,
            champion_before=failed.version,
            champion_after=failed.previous,
            reason=failed.explanation,
            gate_report=json.dumps(asdict(failed), sort_keys=True),
            run_id=run.scope.run_id,
            artifact_sha256=trusted_sha256(decisions, failed.previous),
            decision_key=f"{PROBATION_ACTOR}/{failed.version}/{window.key}",
        )

    return enact(run.lake, registry, run.pipeline.name, decide, commit=run.commit).written
