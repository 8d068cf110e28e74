"""The model of a partition: candidates trained, the best registered, the gate's decision in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assets.materialization import Outcome, StageRun
from assets.model.conditions import conditioned, cost_findings
from assets.model.judging import judge_beside
from assets.model.known_labels import read_entities, read_known
from assets.model.naive import judge_naively, naive_text
from assets.model.outcomes import decided_outcome, known_outcome, naive_skill, rare_labels, waiting_outcome
from assets.model.pictures import training_pages
from assets.model.plots import plot_files
from assets.model.reading import (
    Inputs,
    Rival,
    champion_then,
    located,
    partition_of,
    read_inputs,
    read_rival,
    standing_decision,
)
from assets.model.trial_log import LakeTrialLog
from assets.model.tuning_page import search_page, tuning_facts
from assets.model.writing import gate_decision, has_tables, register, write_tables
from declaration.model import CandidateSpec, ModelSpec
from learning.candidate_comparison import compare_candidates
from learning.comparison import ScoredPair
from learning.explain.explanation import explain
from learning.gate import GateVerdict
from learning.gate_conditions import with_approval
from learning.model_file import model_to_bytes
from learning.naive_forecast import NAIVE
from learning.out_of_core.training import train_out_of_core
from learning.train import Training, train_model
from learning.training_rows import LabelsNeededError
from resources.engine.memory import limit_bytes
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import Decision, aliases_after
from resources.model_registry.registry import ModelRegistry
from sources.scratch import scratch_folder


def materialize_model(run: StageRun, *, registry: ModelRegistry) -> Outcome:
    """Train as of a partition, register the best candidate, and decide whether it serves.

    The same training set, settings and reason are trained and judged once: asked again, the
    decision that is in the ledger is returned. Where the labels do not suffice nothing is trained:
    the outcome says which are needed, and the next reports ask again as labels come.
    """
    Path(run.engine.spill_directory).mkdir(parents=True, exist_ok=True)
    with scratch_folder(Path(run.engine.spill_directory), "training_set_") as folder:
        return _materialize(run, registry, folder)


def _materialize(run: StageRun, registry: ModelRegistry, folder: Path) -> Outcome:
    """Train and decide; what memory may not hold is in a folder meanwhile."""
    started = time.monotonic()
    # Waiting threads must not spin: on busy cores that cost twelve times the work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        inputs = read_inputs(run, registry, folder)
        answered = standing_decision(inputs.ledger.decisions, inputs.asked)
        if answered is not None and has_tables(run, answered.version):
            return known_outcome(run, answered, inputs.ledger, registry)
        decisions = inputs.ledger.decisions
        judge = champion_then(inputs.asked, decisions, registry)
        rival = read_rival(run.pipeline, decisions, registry, judge)
        training = _train(run, inputs, rival)
    except LabelsNeededError as needed:
        return waiting_outcome(run, needed)
    return _write(run, inputs, training, rival, registry, started)


def _train(run: StageRun, inputs: Inputs, rival: Rival | None) -> Training:
    with located(run, inputs.snapshot):
        if inputs.large is not None:
            return train_out_of_core(inputs.large, run.spec.model, threads=run.engine.threads)
        return train_model(
            inputs.data,
            run.spec.model,
            champion_knows_until_us=rival.knows_until_us if rival else None,
            # Without a champion there is nothing that lost.
            loss_since_us=inputs.asked.loss_since_us if rival else None,
            threads=run.engine.threads,
            memory_bytes=limit_bytes(run.engine.memory_limit),
            trials=_trial_log(run, inputs, rival),
            entities=read_entities(run, inputs.data),
        )


def _trial_log(run: StageRun, inputs: Inputs, rival: Rival | None) -> LakeTrialLog:
    key = inputs.asked.training_key(rival.version.version if rival else None)
    return LakeTrialLog(run.lake, run.pipeline.name, key, partition_of(run), run.commit)


def _write(
    run: StageRun,
    inputs: Inputs,
    training: Training,
    rival: Rival | None,
    registry: ModelRegistry,
    started: float,
) -> Outcome:
    """Register the version, keep its tables, and write the gate's decision to the ledger."""
    judge, gate = rival.version.version if rival else None, run.spec.model.gate
    with located(run, inputs.snapshot):
        # Of each entity's last label a large set has no table: it would be as large.
        known = read_known(run, inputs.data) if inputs.large is None else {}
        naive = judge_naively(inputs.data, training, known, seed=run.spec.model.seed)
        comparison = compare_candidates(
            inputs.data.problem,
            training.metric,
            training.candidates,
            training.candidate_rows,
            seed=run.spec.model.seed,
        )
        explanation = explain(
            training,
            inputs.data,
            _chosen(run.spec.model, training),
            seed=run.spec.model.seed,
            threads=run.engine.threads,
        )
    content = model_to_bytes(training.model)
    costs = cost_findings(run, inputs.data, training, len(content))
    version = register(run, inputs, training, content, naive, judge, registry)
    tables = write_tables(run, inputs.data, training, comparison, naive, explanation, version)
    pair: ScoredPair | None = None
    verdict: GateVerdict | None = None

    def decide(decisions: Sequence[Decision]) -> Decision | None:
        """Judge against who serves now: during the training others may have answered, or rolled back."""
        nonlocal pair, verdict
        if standing_decision(decisions, inputs.asked) is not None:
            return None
        champion = aliases_after(decisions)["champion"]
        is_same = champion == judge
        serving = rival if is_same else read_rival(run.pipeline, decisions, registry, champion)
        pair, verdict = judge_beside(
            run, inputs.data, training, version, serving,
            # The loss was that of the champion before.
            is_loss_confirmed=inputs.is_loss_confirmed and is_same,
        )  # fmt: skip
        verdict = conditioned(run, inputs.data, training, naive, pair, costs, verdict)
        reasons = naive.explained(f"{naive_text(training)}{verdict.explanation}")
        verdict = replace(verdict, explanation=reasons)
        if gate.approval == "manual":
            verdict = with_approval(
                verdict,
                pipeline=run.pipeline.name,
                version=version.version,
                clock=run.scope.clock,
                within=gate.approve_within,
            )
        return gate_decision(run.scope, version, serving, verdict, inputs.asked.decision_key(judge))

    enacted = enact(run.lake, registry, run.pipeline.name, decide, commit=run.commit)
    if enacted.decision is None or enacted.written is None:
        answered = standing_decision(enacted.ledger.decisions, inputs.asked)
        assert answered is not None
        return known_outcome(run, answered, enacted.ledger, registry, tables)
    written = (*tables, enacted.written)
    duration_s = time.monotonic() - started
    outcome = decided_outcome(
        run.pipeline, enacted.decision, version, inputs.snapshot, written, duration_s, enacted.ledger
    )
    pages = training_pages(
        training,
        comparison,
        naive,
        pair.champion if pair is not None else None,
        verdict.limits if verdict is not None else (),
        explanation,
    )
    registry.keep_files(version.run_id, plot_files(pages))
    searches = {"search": search_page(training.searches)} if training.searches else {}
    return replace(
        outcome,
        metadata={
            **outcome.metadata,
            **rare_labels(training),
            **naive_skill(naive),
            **tuning_facts(training),
        },
        markdown={**pages, **searches},
    )


def _chosen(spec: ModelSpec, training: Training) -> CandidateSpec:
    """Return the candidate that was chosen, with the settings that a search has found."""
    name = training.model.name
    if name in training.searches:
        return training.searches[name].candidate
    return next((one for one in spec.competitors if one.label == name), NAIVE)
