"""Conditions of the gate beside the comparison: limits on the judged rows and on costs, and the naive baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from assets.materialization import StageRun
from assets.model.naive import NaiveResults
from learning.baseline_rule import surely_beats
from learning.comparison import ScoredPair
from learning.gate import GateVerdict
from learning.gate_conditions import with_baselines, with_limits
from learning.limits.calibration_error import judge_calibration
from learning.limits.cost import judge_latency, judge_size
from learning.limits.fairness import judge_fairness
from learning.limits.finding import LimitFinding
from learning.limits.slices import JudgedScores, judge_slices, slices_of
from learning.metrics import Scored
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
    limited = with_limits(verdict, (*_row_findings(run, data, training, pair), *costs))
    if not limited.is_promoted or not naive.scored:
        return limited
    positions = training.judged[naive.positions]
    beats = training.model.algorithm == NAIVE.use or surely_beats(
        data.problem,
        training.metric,
        Scored(training.holdout.labels[naive.positions], training.holdout.scores[naive.positions]),
        naive.scored,
        data.event_time_us[positions],
        seed=run.spec.model.seed,
    )
    return with_baselines(
        limited,
        run.spec.model.gate.beat_baseline,
        beats=beats,
        champion_beats=None if beats else _champion_beats(run, data, training, naive, pair),
    )


def _row_findings(
    run: StageRun, data: TrainingSet, training: Training, pair: ScoredPair | None
) -> Iterator[LimitFinding]:
    gate, seed = run.spec.model.gate, run.spec.model.seed
    at = data.event_time_us[training.judged]
    if gate.slices:
        rows = data.rows.take(training.judged)
        with run.engine.connect() as connection:
            slices = slices_of(connection, rows, gate.slices)
        places = pair.positions if pair is not None else None
        judged = JudgedScores(
            data.problem, training.metric, training.holdout, at, pair,
            places if places is not None else np.empty(0, dtype=np.int64), seed,
        )  # fmt: skip
        yield from judge_slices(slices, judged, rule=gate.limits, alpha=gate.alpha)
    if gate.max_calibration_error is not None:
        yield judge_calibration(
            training.holdout, at, gate.max_calibration_error, rule=gate.limits, alpha=gate.alpha
        )
    if gate.fairness is not None:
        yield from judge_fairness(
            training.holdout,
            data.rows.take(training.judged),
            at,
            gate.fairness,
            rule=gate.limits,
            alpha=gate.alpha,
            seed=seed,
        )


def _champion_beats(
    run: StageRun, data: TrainingSet, training: Training, naive: NaiveResults, pair: ScoredPair | None
) -> bool | None:
    """Tell whether the champion surely beats the baselines on the rows that both have said something of; None without one."""
    if pair is None or pair.positions is None:
        return None
    shared, ours, theirs = np.intersect1d(pair.positions, naive.positions, return_indices=True)
    champion = Scored(pair.champion.labels[ours], pair.champion.scores[ours])
    baselines: Mapping[str, Scored] = {
        name: Scored(scored.labels[theirs], scored.scores[theirs]) for name, scored in naive.scored.items()
    }
    if not shared.size:
        return None
    return surely_beats(
        data.problem,
        training.metric,
        champion,
        baselines,
        data.event_time_us[training.judged[shared]],
        seed=run.spec.model.seed,
    )
