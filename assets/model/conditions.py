"""Conditions of the gate beside the comparison: limits on the judged rows and on costs, and the naive baselines."""

from __future__ import annotations

from assets.materialization import StageRun
from assets.model.naive import NaiveResults
from learning.baselines import JudgedBaselines
from learning.comparison import ScoredPair
from learning.gate import GateVerdict
from learning.gate_conditions import with_limits
from learning.judged_conditions import JudgedRows, held_against_baselines, row_findings
from learning.limits.cost import judge_latency, judge_size
from learning.limits.finding import LimitFinding
from learning.naive_forecast import NAIVE
from learning.threads import limited_threads
from learning.train import Training
from learning.training_rows import TrainingSet


def cost_findings(
    run: StageRun, data: TrainingSet, training: Training, n_bytes: int
) -> tuple[LimitFinding, ...]:
    """Hold the time of the challenger's scoring, by one thread, and the size of its file against their limits.

    Parameters
    ----------
    run
        Whose gate.
    data, training
        Rows that are scored, and the challenger.
    n_bytes
        Size of the model file.
    """
    gate = run.spec.model.gate
    findings: list[LimitFinding] = []
    if gate.latency is not None:
        with limited_threads(1):
            findings += judge_latency(training.model, data.rows, gate.latency)
    if gate.max_size_mb is not None:
        findings.append(judge_size(n_bytes, gate.max_size_mb))
    return tuple(findings)


def conditioned(
    run: StageRun,
    data: TrainingSet,
    training: Training,
    naive: NaiveResults,
    pair: ScoredPair | None,
    costs: tuple[LimitFinding, ...],
    verdict: GateVerdict,
) -> GateVerdict:
    """Keep out a challenger that is beyond a limit, or does not surely beat the naive baselines.

    Parameters
    ----------
    run
        Whose gate.
    data, training, naive
        Rows, challenger and baselines.
    pair
        Both models' scores; None where no champion was compared.
    costs
        What was found of the limits on costs.
    verdict
        Of the comparison.
    """
    model = run.spec.model
    judged = JudgedRows(
        data.problem,
        training.metric,
        training.holdout,
        data.event_time_us[training.judged],
        pair,
        lambda: data.rows.take(training.judged),
        model.seed,
    )
    findings = (*row_findings(judged, model.gate, run.engine.connect), *costs)
    return held_against_baselines(
        with_limits(verdict, findings),
        judged,
        JudgedBaselines(naive.positions, naive.scored),
        model.gate,
        is_naive=training.model.algorithm == NAIVE.use,
    )
