"""Skill: how much of a naive baseline's loss a model avoids, with its interval by blocks of time.

References
----------
Murphy (1988), Skill scores based on the mean square error, Monthly Weather Review 116, 2417-2424.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import Blocks, resampled_weights, widened_level
from learning.metrics import Floats, Scored

SkillLoss = Literal["brier", "rmse", "mae"]
"""Losses that no forecast can lower by saying what it does not believe; the Brier score of many classes is a sum over them.
Unlike the log loss it is bounded: one certain mistake does not outweigh a thousand good forecasts."""

BASELINE_WORDS: Mapping[str, str] = {
    "prior": "always saying the classes' shares",
    "mean": "always saying the mean",
    "median": "always saying the median",
    "last_value": "the entity's last known value",
    "day_season": "the last known value of the same hour of the day",
    "week_season": "the last known value of the same hour of the week",
    "year_season": "the last known value of the same day of the year",
}
"""Baselines by their names, in words."""

CONSTANT_BASELINES = frozenset({"prior", "mean", "median"})
"""Baselines that are the same for every row."""

NEARLY = 0.01
"""Part by which a known value must be better than a constant to be named: else chance decides which is."""

LEVEL = 0.95
"""Confidence of the interval."""

SURE_LEVEL = 0.05
"""One-sided level at which a model is surely worse than a baseline, shared by all of them."""


@dataclass(frozen=True)
class Skill:
    """Skill of a model against one baseline on the same rows.

    Attributes
    ----------
    baseline
        Its name.
    loss
        What is compared.
    n
        Rows.
    value, baseline_value
        The loss of either.
    skill
        Share of the baseline's loss that the model avoids: 1 without error, 0 no better, below 0 worse. None where
        the baseline errs nowhere.
    low, high
        Its 95 % interval; None where there are too few blocks of time, or in one the baseline errs nowhere.
    is_surely_worse
        The model is worse, at 5 % over all baselines together.
    """

    baseline: str
    loss: SkillLoss
    n: int
    value: float
    baseline_value: float
    skill: float | None
    low: float | None = None
    high: float | None = None
    is_surely_worse: bool = False


def skill_loss(problem: ProblemType, metric: Metric) -> SkillLoss:
    """Return the loss that skill is measured by: the metric's own for errors, the squared one for r², Brier for classes.

    Examples
    --------
    >>> skill_loss("regression", "r2"), skill_loss("binary", "roc_auc")
    ('rmse', 'brier')
    """
    if problem != "regression":
        return "brier"
    return "mae" if metric == "mae" else "rmse"


def row_losses(loss: SkillLoss, scored: Scored) -> Floats:
    """Return each row's share of a loss: squared or absolute error, Brier score.

    Examples
    --------
    >>> row_losses("brier", Scored(np.array([1.0]), np.array([[0.5, 0.3, 0.2]]))).round(2).tolist()
    [0.78]
    """
    if scored.scores.ndim == 1:
        errors = np.abs(scored.labels - scored.scores)
        return errors if loss == "mae" else np.asarray(errors**2)
    losses = (scored.scores**2).sum(axis=1) + 1.0
    seen = np.flatnonzero(scored.labels < scored.scores.shape[1])
    losses[seen] -= 2 * scored.scores[seen, scored.labels[seen].astype(np.int64)]
    return np.asarray(losses, dtype=np.float64)


def skills_against(
    scored: Scored, baselines: Mapping[str, Scored], blocks: Blocks | None, *, loss: SkillLoss, seed: int
) -> tuple[Skill, ...]:
    """Compare a model with baselines on the same rows, the best baseline first.

    Parameters
    ----------
    scored
        Labels with the model's scores, at least one row.
    baselines
        The same labels with each baseline's scores, by name.
    blocks
        Blocks of time of the rows; None where there are too few to resample.
    loss
        What is compared.
    seed
        Seed of the bootstrap.
    """
    ours = row_losses(loss, scored)
    theirs = {name: row_losses(loss, forecast) for name, forecast in baselines.items()}
    skills = [
        _skill(name, ours, losses, blocks, loss, seed, SURE_LEVEL / len(theirs))
        for name, losses in theirs.items()
    ]
    return tuple(sorted(skills, key=baseline_rank))


def baseline_rank(skill: Skill) -> tuple[float, str]:
    """Return the place of a baseline: the best first, and of two that are nearly alike the simpler one."""
    is_constant = skill.baseline in CONSTANT_BASELINES
    return skill.baseline_value * (1.0 if is_constant else 1.0 + NEARLY), skill.baseline


def _skill(
    name: str, ours: Floats, theirs: Floats, blocks: Blocks | None, loss: SkillLoss, seed: int, level: float
) -> Skill:
    of_mean: Callable[[Floats], Floats] = np.sqrt if loss == "rmse" else np.asarray
    value, other = (float(of_mean(np.asarray(losses.mean()))) for losses in (ours, theirs))
    skill = 1 - value / other if other else None
    plain = Skill(name, loss, ours.size, value, other, skill)
    if blocks is None:
        return plain
    weights = resampled_weights(blocks.n_blocks, seed=seed)
    counts = weights @ np.bincount(blocks.numbers, minlength=blocks.n_blocks).astype(np.float64)
    means = [
        weights @ np.bincount(blocks.numbers, weights=losses, minlength=blocks.n_blocks) / counts
        for losses in (ours, theirs)
    ]
    # By the difference: it says the same as the ratio, and has a value where the baseline errs nowhere.
    least_excess = np.quantile(means[0] - means[1], widened_level(level, blocks.n_blocks))
    judged = replace(plain, is_surely_worse=bool(least_excess > 0))
    if not means[1].all():
        return judged
    tail = widened_level((1 - LEVEL) / 2, blocks.n_blocks)
    low, high = np.quantile(1 - of_mean(means[0]) / of_mean(means[1]), [tail, 1 - tail])
    return replace(judged, low=float(low), high=float(high))


def skill_text(skill: Skill) -> str:
    """Say how a model does against a baseline.

    Examples
    --------
    >>> skill_text(Skill("last_value", "rmse", 700, 4.16, 2.82, 1 - 4.16 / 2.82, -0.61, -0.35, True))
    "surely worse than the entity's last known value: rmse 4.16, the baseline's 2.82 (skill -0.48, -0.61 to -0.35)"
    """
    if skill.is_surely_worse:
        verdict = "surely worse than"
    elif skill.low is not None and skill.low > 0:
        verdict = "surely better than"
    else:
        verdict = "not surely better than"
    figures = f"{skill.loss} {skill.value:.4g}, the baseline's {skill.baseline_value:.4g}"
    between = "" if skill.low is None or skill.high is None else f", {skill.low:.2f} to {skill.high:.2f}"
    share = "" if skill.skill is None else f" (skill {skill.skill:.2f}{between})"
    return f"{verdict} {BASELINE_WORDS[skill.baseline]}: {figures}{share}"


def worse_than_baseline_text(skills: Sequence[Skill]) -> str:
    """Say of the best baseline that a model is surely worse than; empty where there is none."""
    worse = next((skill for skill in skills if skill.is_surely_worse), None)
    return "" if worse is None else f"The model is {skill_text(worse)}, on {worse.n:,} labelled rows."


def known_value_skills(skills: Sequence[Skill]) -> tuple[Skill, ...]:
    """Return the skills against known values, without the baselines that are the same for every row."""
    return tuple(skill for skill in skills if skill.baseline not in CONSTANT_BASELINES)
