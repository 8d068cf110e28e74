"""Models against naive forecasts: better by skill, or in the declared metric."""

from __future__ import annotations

import numpy as np

from learning.baseline_rule import judged_by, surely_beats
from learning.metrics import Scored, metric_value

DAY = 86_400_000_000
N = 1_200
AT = np.arange(N) // 30 * DAY


def labels_and_truth(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=N)
    return (truth + generator.normal(size=N) > 0.5).astype(float), truth


def test_a_model_that_knows_something_beats_the_shares() -> None:
    labels, truth = labels_and_truth()
    shares = {"prior": Scored(labels, np.full(N, labels.mean()))}
    sound = Scored(labels, 1 / (1 + np.exp(-2 * truth + 1)))
    assert surely_beats("binary", "roc_auc", sound, shares, AT, seed=0)
    noise = Scored(labels, np.random.default_rng(9).random(N))
    assert not surely_beats("binary", "roc_auc", noise, shares, AT, seed=0)


def test_a_ranking_is_worth_something_where_its_probabilities_are_not() -> None:
    labels, truth = labels_and_truth()
    shares = {"prior": Scored(labels, np.full(N, labels.mean()))}
    # Ranked rightly and far too sure: its Brier score is worse than that of the shares.
    extreme = Scored(labels, 1 / (1 + np.exp(-20 * truth - 20)))
    assert np.mean((extreme.scores - labels) ** 2) > np.mean((labels.mean() - labels) ** 2)
    assert surely_beats("binary", "roc_auc", extreme, shares, AT, seed=0)
    assert not surely_beats("binary", "log_loss", extreme, shares, AT, seed=0)


def test_every_baseline_must_be_beaten() -> None:
    labels, truth = labels_and_truth()
    sound = Scored(labels, 1 / (1 + np.exp(-2 * truth + 1)))
    both = {"prior": Scored(labels, np.full(N, labels.mean())), "last_value": sound}
    assert not surely_beats("binary", "roc_auc", sound, both, AT, seed=0)


def test_of_too_few_rows_nothing_is_sure() -> None:
    labels, truth = labels_and_truth()
    few = Scored(labels[:40], truth[:40])
    shares = {"prior": Scored(labels[:40], np.full(40, 0.5))}
    assert not surely_beats("binary", "roc_auc", few, shares, np.arange(40), seed=0)


def test_shares_that_are_learned_anew_rank_nothing() -> None:
    """Shares that are low where many positives are: their area is far below one half, and noise is no better for that."""
    labels = (np.random.default_rng(1).random(N) < np.where(AT[N // 2] > AT, 0.8, 0.2)).astype(float)
    shares = {"prior": Scored(labels, np.where(AT[N // 2] > AT, 0.2, 0.8))}
    noise = Scored(labels, np.random.default_rng(9).random(N))
    assert metric_value("roc_auc", shares["prior"]) < 0.3
    assert metric_value("roc_auc", judged_by("roc_auc", "prior", shares["prior"])) == 0.5
    assert judged_by("brier", "prior", shares["prior"]) is shares["prior"]
    assert judged_by("roc_auc", "last_value", noise) is noise
