"""Probation of a new champion: both versions score the same rows, and a rollback is written to the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from assets.drift_report.window_inputs import Inputs
from assets.materialization import StageRun
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from drift.examination import surely_lost
from drift.performance.labelled_rows import labels_known, read_scored_rows
from drift.performance.realised import ScoredRows
from drift.retraining.probation import Probation, judge_probation, score_pair
from learning.fitted import FittedModel
from learning.metrics import Scored
from learning.model_file import model_from_bytes
from learning.train import chosen_metric, limited_threads
from learning.training_rows import label_indices, microseconds
from resources.lake.lake import Snapshot, scan
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import GATE, Decision, aliases_after, trusted_sha256
from resources.model_registry.registry import ModelRegistry

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PROBATION_ACTOR = "probation"
"""Who rolls back in the ledger."""

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
    """Compare the champion with its predecessor on the first windows that it served; None where no probation runs.

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
    change = _newest_change(decisions)
    if change is None or change.champion_before is None:
        return None
    if change.actor == PROBATION_ACTOR and change.partition == window.key:
        # The same report once more says the same.
        return Probation(**json.loads(change.gate_report))
    if change.actor != GATE:
        # A champion that a person has chosen is not on probation.
        return None
    served = [key for key in inputs.predictions.partitions if change.partition < key <= window.key]
    served = served[: pipeline.spec.retrain.probation]
    assert change.champion_after is not None
    rows = _rows(served, window, change.champion_after, inputs.predictions, inputs.labels, connection)
    if rows is None:
        return None
    models = {
        number: model_from_bytes(
            registry.model_file(pipeline.name, number, sha256=trusted_sha256(decisions, number))
        )
        for number in (change.champion_after, change.champion_before)
    }
    pair = score_pair(rows, models[change.champion_after], models[change.champion_before])
    if pair is None:
        return None
    return judge_probation(
        pair,
        version=change.champion_after,
        previous=change.champion_before,
        problem=pipeline.spec.learned.problem,
        alpha=pipeline.spec.model.gate.alpha,
        n_looks=pipeline.spec.retrain.probation,
        seed=pipeline.spec.model.seed,
        previous_loss=_loss_of(
            pipeline, models[change.champion_before], change.champion_before, rows, inputs, connection
        ),
    )


def _loss_of(
    pipeline: Pipeline,
    model: FittedModel,
    version: int,
    rows: pa.Table,
    inputs: Inputs,
    connection: duckdb.DuckDBPyConnection,
) -> str:
    """Say what a version has surely lost against its own holdout on some rows; empty where it has not."""
    assert inputs.holdout is not None
    problem, spec = pipeline.spec.learned.problem, pipeline.spec
    kept = scan(inputs.holdout, [str(version)])
    holdout = read_scored_rows(connection, kept, problem, model.classes)
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


def _newest_change(decisions: Sequence[Decision]) -> Decision | None:
    changes = [one for one in decisions if one.champion_after != one.champion_before]
    return changes[-1] if changes else None


def _rows(
    served: Sequence[str],
    window: Window,
    version: int,
    predictions: Snapshot,
    labels: Snapshot,
    connection: duckdb.DuckDBPyConnection,
) -> pa.Table | None:
    """Read what the version predicted in its first windows, with labels; None where no label is new."""
    if not served:
        return None
    known = [key for key in served if key in labels.partitions]
    fresh = labels_known(scan(labels, known), until=window.end, since=window.start)
    if not connection.sql(f"SELECT 1 FROM {fresh} LIMIT 1").fetchall():
        return None
    rows = connection.sql(
        f"SELECT p.*, l.label FROM {labels_known(scan(labels, known), until=window.end)} AS l "
        f"JOIN (SELECT * FROM {scan(predictions, served)} WHERE model_version = {version}) AS p "
        f"USING (row_id, event_timestamp) ORDER BY hash(row_id), row_id LIMIT {MAX_SHADOW_ROWS}"
    ).to_arrow_table()
    return rows if rows.num_rows else None
