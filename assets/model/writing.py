"""Writes of a training: the version in the registry, its tables, and the row of the ledger."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from assets.materialization import Scope, StageRun
from assets.model.described import description_files
from assets.model.explanations import EXPLANATIONS, explanations_table
from assets.model.naive import NaiveResults
from assets.model.quantiles import QUANTILES, quantiles_of, quantiles_table
from assets.model.reading import Inputs, Rival, partition_of
from assets.model.recorded import OUT_OF_CORE, Judge, recorded_tags
from assets.model.tables import CANDIDATES, candidates_table
from assets.model.tuning_page import tuning_figures, tuning_params
from learning.candidate_comparison import CandidateComparison
from learning.environment import present_environment
from learning.error_scale import MASE
from learning.explain.explanation import Explanation
from learning.gate import GateVerdict
from learning.holdout_table import holdout_table
from learning.proper_score import SCORE_NAMES
from learning.train import Training
from learning.training_rows import TrainingSet, instant
from resources.lake.lake import Snapshot
from resources.model_registry.ledger import GATE, Decision
from resources.model_registry.registry import MODEL_FILE, UNNUMBERED, ModelRegistry
from resources.model_registry.version import ModelVersion


def register(
    run: StageRun,
    inputs: Inputs,
    training: Training,
    content: bytes,
    naive: NaiveResults,
    judge: int | None,
    registry: ModelRegistry,
) -> ModelVersion:
    """Register the trained model with its figures, settings and files."""
    data, snapshot = inputs.data, inputs.snapshot
    low, high = training.interval
    model = ModelVersion(
        version=UNNUMBERED,
        algorithm=training.model.algorithm,
        candidate=training.model.name,
        training_partition=partition_of(run),
        training_table_version=snapshot.version,
        metric=training.metric,
        holdout_metric=training.holdout_metric,
        holdout_low=low,
        holdout_high=high,
        holdout_start=instant(int(data.event_time_us[training.judged[0]])),
        n_judged=training.judged.size,
        n_folds=int(training.folds.max()) + 1,
        span=training.span.name,
        feature_names=data.feature_names,
        importances=training.importances,
        n_training_rows=training.n_rows,
        learned_since=instant(training.span.since_us) if training.span.since_us is not None else None,
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        registered_at=run.scope.clock,
        classes=training.model.classes if data.problem == "multiclass" else (),
        error_scale=naive.scale.value if naive.scale is not None else None,
    )
    settings = run.spec.model.model_dump(mode="json")
    figures = {
        f"{result.name}/{name}": value
        for result in training.results
        for name, value in result.metrics.items()
    }
    baselines = {
        f"baseline/{baseline}/{name}": value
        for baseline, values in naive.figures.items()
        for name, value in values.items()
    }
    environment = present_environment()
    trained_beside = Judge(judge, inputs.asked.loss_since_us if judge is not None else None)
    losses = {
        f"{SCORE_NAMES[data.problem]} of the span {span.span.name}": span.loss for span in training.spans
    }
    return registry.register(
        run.pipeline.name,
        model,
        content,
        training_key=inputs.asked.training_key(judge),
        params={
            "problem": data.problem,
            **{name: json.dumps(value) for name, value in settings.items()},
            **tuning_params(training),
        },
        metrics={
            training.metric: training.holdout_metric,
            **figures,
            **baselines,
            **losses,
            **({} if naive.mase is None else {MASE: naive.mase}),
            **tuning_figures(training),
        },
        tags={
            "driftline.training_set": f"{snapshot.table}@{snapshot.version}",
            "driftline.training_partition": model.training_partition,
            "driftline.artifact_sha256": model.artifact_sha256,
            "driftline.spec_hash": run.pipeline.spec_hash,
            "driftline.run_id": run.scope.run_id,
            "driftline.reason": run.scope.reason,
            "driftline.span": training.span.name,
            **recorded_tags(environment, inputs.asked.rows_sha256, trained_beside),
            **({OUT_OF_CORE: "true"} if inputs.large is not None else {}),
        },
        files=description_files(training.model, data.rows, environment, MODEL_FILE),
    )


def write_tables(
    run: StageRun,
    data: TrainingSet,
    training: Training,
    comparison: CandidateComparison,
    naive: NaiveResults,
    explanation: Explanation,
    version: ModelVersion,
) -> tuple[Snapshot, ...]:
    """Keep the judged rows' scores, the candidates' figures, the explanation and the quantiles' figures, by model version."""
    partition, commit, lake = str(version.version), run.commit, run.lake
    held_out = holdout_table(data, training)
    figures = candidates_table(training, comparison, naive, version.version, version.training_partition)
    explained = explanations_table(explanation, version.version, version.training_partition)
    written = [
        lake.write(run.table("holdout_scores"), held_out, partition=partition, commit=commit),
        lake.write(CANDIDATES.of(run.pipeline.name), figures, partition=partition, commit=commit),
        lake.write(EXPLANATIONS.of(run.pipeline.name), explained, partition=partition, commit=commit),
    ]
    if (found := quantiles_of(training)) is not None:
        rows = quantiles_table(found.figures, version.version, version.training_partition)
        written.append(lake.write(QUANTILES.of(run.pipeline.name), rows, partition=partition, commit=commit))
    return tuple(written)


def has_tables(run: StageRun, version: int) -> bool:
    """Tell whether a version has the tables of its training; else it is trained again, to the same model."""
    lake, tables = run.lake, (run.table("holdout_scores"), CANDIDATES.of(run.pipeline.name))
    return all(lake.has(table) and str(version) in lake.snapshot(table).partitions for table in tables)


def gate_decision(
    scope: Scope,
    version: ModelVersion,
    champion: Rival | None,
    verdict: GateVerdict,
    decision_key: str,
) -> Decision:
    """Return the gate's decision as a row of the ledger."""
    before = champion.version.version if champion is not None else None
    return Decision(
        instant=scope.clock,
        partition=version.training_partition,
        actor=GATE,
        action="promoted" if verdict.is_promoted else "kept",
        version=version.version,
        champion_before=before,
        champion_after=version.version if verdict.is_promoted else before,
        reason=scope.reason,
        gate_report=json.dumps(asdict(verdict), sort_keys=True),
        run_id=scope.run_id,
        artifact_sha256=version.artifact_sha256,
        decision_key=decision_key,
    )
