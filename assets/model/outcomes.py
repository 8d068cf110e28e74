"""Outcomes of the model stage: decided, answered before, or waiting for labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

from assets.materialization import Outcome, StageRun
from assets.model.naive import NaiveResults
from assets.model.reading import partition_of
from declaration.pipeline import Pipeline
from learning.error_scale import MASE
from learning.judged import judged_text
from learning.train import Training
from learning.training_rows import MIN_CLASS_ROWS, LabelsNeededError
from resources.lake.lake import Snapshot
from resources.model_registry.ledger import Decision, Ledger, open_ledger
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelVersion
from resources.model_registry.waits import WAITS, Wait, write_wait


def rare_labels(training: Training) -> Mapping[str, str]:
    """List the labels that have too few rows to be learned surely; the others do not wait for them."""
    counts = ", ".join(f"{name}: {n}" for name, n in sorted(training.rare_classes.items(), key=itemgetter(1)))
    return {"rare_labels": f"rows to learn from, fewer than {MIN_CLASS_ROWS}: {counts}"} if counts else {}


def naive_skill(naive: NaiveResults) -> Mapping[str, object]:
    """Describe the trained model's skill against the best naive baseline, and its error in units of the season before."""
    best = naive.skills[0] if naive.skills else None
    scale = naive.scale
    scaled = {} if scale is None else {MASE: naive.mase, "mase_unit": f"{scale.value:.4g} ({scale.baseline})"}
    return {
        **scaled,
        "baseline": best.baseline if best else None,
        "skill": best.skill if best else None,
        "worse_than_baseline": naive.warning or None,
    }


def waiting_outcome(run: StageRun, needed: LabelsNeededError) -> Outcome:
    """Write down which labels a training waits for."""
    pipeline, scope = run.pipeline, run.scope
    wait = Wait(
        partition=partition_of(run),
        instant=scope.clock,
        asked_for=scope.reason,
        needed=str(needed),
        spec_hash=pipeline.spec_hash,
        run_id=scope.run_id,
    )
    written = write_wait(run.lake, pipeline.name, wait, commit=run.commit)
    return Outcome(
        data_version=f"{written.table}@{written.version}",
        metadata={
            "gate_outcome": WAITS,
            "gate_explanation": f"{WAITS}: {wait.needed}",
            "is_promoted": False,
            "reason": wait.asked_for,
            "champion_version": open_ledger(run.lake, pipeline.name).champion,
            "writes": f"{written.table}@{written.version}",
        },
    )


def known_outcome(
    run: StageRun,
    decision: Decision,
    ledger: Ledger,
    registry: ModelRegistry,
    written: Sequence[Snapshot] = (),
) -> Outcome:
    """Return the outcome of a question that the ledger has answered before."""
    version = registry.version(run.pipeline.name, decision.version)
    outcome = decided_outcome(run.pipeline, decision, version, None, written, 0.0, ledger)
    return replace(outcome, metadata={**outcome.metadata, "is_answered_before": True})


def decided_outcome(
    pipeline: Pipeline,
    decision: Decision,
    version: ModelVersion,
    snapshot: Snapshot | None,
    written: Sequence[Snapshot],
    duration_s: float,
    ledger: Ledger,
) -> Outcome:
    """Return the outcome of a decision, with what was read and written for it."""
    verdict = decision.report
    return Outcome(
        data_version=f"{pipeline.name}@{version.version}",
        metadata={
            "n_rows": version.n_training_rows,
            "duration_s": round(duration_s, 3),
            "size_bytes": sum(table.size_bytes for table in written),
            "reads": f"{snapshot.table}@{snapshot.version}" if snapshot is not None else "",
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
            "model_version": version.version,
            "algorithm": version.made_by,
            "metric": version.metric,
            "holdout_metric": version.holdout_metric,
            "holdout_interval": f"{version.holdout_low:.4f} to {version.holdout_high:.4f}",
            "holdout_start": version.holdout_start,
            "judged": judged_text(version.n_judged, version.n_folds),
            "span": version.span,
            "learned_since": version.learned_since or "all rows",
            "reason": decision.reason,
            "is_promoted": verdict["is_promoted"],
            "gate_outcome": verdict["outcome"],
            "gate_explanation": verdict["explanation"],
            "gain": verdict["gain"],
            "p_value": verdict["p_value"],
            "champion_version": decision.champion_after,
            "artifact_sha256": version.artifact_sha256,
            "ledger_rows": ledger.head.count,
            "ledger_sha256": ledger.head.sha256,
        },
    )
