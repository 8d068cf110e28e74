"""Proposals of a search: settings drawn at random, or by Optuna's TPE from the trials before.

A proposal depends on the seed, its number and the trials before, and on nothing else: an interrupted search that goes on
proposes what it would have proposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from declaration.extras import require_extra
from declaration.search import ParamValue, RangeSpec, SearchMethod
from learning.algorithms.algorithm import Space
from learning.search.trials import Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

N_BLIND_TRIALS = 10
"""Trials that TPE draws at random before it learns: Optuna's own number."""

Proposal = Mapping[str, ParamValue]


def propose(method: SearchMethod, space: Space, before: Sequence[Trial], number: int, seed: int) -> Proposal:
    """Return the settings of a trial.

    Parameters
    ----------
    method
        Drawn blindly, or by what the trials before have told.
    space
        Ranges by parameter.
    before
        Finished trials. That of the declared settings tells TPE nothing: they may lie outside the ranges.
    number
        Number of the trial, from 1 on.
    seed
        The training's.
    """
    if method == "random":
        draw = np.random.default_rng([seed, number])
        return {name: drawn(space[name], draw) for name in sorted(space)}
    require_extra("tune", "search.method 'tpe'")
    return _by_tpe(space, [trial for trial in before if trial.params], number, seed)


def drawn(values: RangeSpec, draw: np.random.Generator) -> ParamValue:
    """Draw a value of a range, evenly on its scale."""
    if values.choice:
        return values.choice[int(draw.integers(len(values.choice)))]
    assert values.ends is not None
    low, high = values.ends
    if values.int is not None:
        # Whole numbers own the half on both sides; both ends are as likely as the others.
        low, high = low - 0.5, high + 0.5
    at = np.exp(draw.uniform(np.log(low), np.log(high))) if values.log else draw.uniform(low, high)
    if values.int is None:
        return float(at)
    return int(np.clip(round(at), *values.int))


def _by_tpe(space: Space, before: Sequence[Trial], number: int, seed: int) -> Proposal:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A sampler for each trial: its draws must not depend on how many this process has drawn before.
    sampler_seed = int(np.random.default_rng([seed, number]).integers(2**32))
    sampler = optuna.samplers.TPESampler(n_startup_trials=N_BLIND_TRIALS, seed=sampler_seed)
    study = optuna.create_study(sampler=sampler)
    distributions = {name: _distribution(space[name]) for name in sorted(space)}
    for trial in before:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.params), distributions=distributions, value=trial.loss
            )
        )
    return dict(study.ask(distributions).params)


def _distribution(values: RangeSpec) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.int is not None:
        return IntDistribution(*values.int, log=values.log)
    if values.float is not None:
        return FloatDistribution(*values.float, log=values.log)
    return CategoricalDistribution(values.choice)
