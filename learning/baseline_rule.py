"""Rule of the naive baselines: a model that is not surely better than a forecast without a model has learned nothing sure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import time_blocks
from learning.candidate_comparison import TAIL
from learning.comparison import ScoredPair, compare
from learning.metrics import RANKINGS, MetricError, Scored
from learning.skill import CONSTANT_BASELINES, skill_loss, skills_against


def surely_beats(
    problem: ProblemType,
    metric: Metric,
    model: Scored,
    baselines: Mapping[str, Scored],
    event_time_us: NDArray[np.int64],
    *,
    seed: int,
) -> bool:
    """Tell whether a model is surely better than every baseline, by skill or in the declared metric.

    A ranking is worth something where its probabilities are not, as of frauds among thousands of payments: no gain
    in the Brier score is sure there, and the ranking's is.

    Parameters
    ----------
    problem, metric
        What is predicted and compared.
    model, baselines
        Scores of the same rows.
    event_time_us
        Their prediction instants. Shape (n,).
    seed
        Seed of the bootstrap.
    """
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return False
    skills = skills_against(model, baselines, blocks, loss=skill_loss(problem, metric), seed=seed)
    if all(skill.low is not None and skill.low > 0 for skill in skills):
        return True
    return all(
        _leads(problem, metric, ScoredPair(model, judged_by(metric, name, baseline), event_time_us), seed)
        for name, baseline in baselines.items()
    )


def judged_by(metric: Metric, name: str, baseline: Scored) -> Scored:
    """Return a baseline's scores as a metric should see them: one for all rows, where it ranks none before another.

    The classes' shares are learned anew from time to time, and after many frauds fewer follow: ranked by them, rows stand in
    the wrong order, and a model that knows nothing is better.

    Parameters
    ----------
    metric
        What is computed.
    name, baseline
        Which it is, and its scores.
    """
    if metric in RANKINGS and name in CONSTANT_BASELINES:
        return Scored(baseline.labels, np.zeros_like(baseline.scores))
    return baseline


def _leads(problem: ProblemType, metric: Metric, pair: ScoredPair, seed: int) -> bool:
    blocks = time_blocks(pair.event_time_us)
    if blocks is None:
        return False
    try:
        comparison = compare(pair, blocks, problem, metric, seed=seed)
    except MetricError:
        return False
    return comparison.gains.size > 0 and comparison.interval(TAIL)[0] > 0
