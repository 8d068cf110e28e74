"""Skill against naive baselines: arithmetic by hand, and a level that holds."""

from __future__ import annotations

import numpy as np
import pytest

from learning.blocks import Blocks
from learning.metrics import Scored, metric_value
from learning.skill import row_losses, skill_text, skills_against, worse_than_baseline_text


def blocks(n: int, n_blocks: int = 20) -> Blocks:
    return Blocks(np.arange(n) * n_blocks // n, n_blocks, "day")


def test_skill_is_the_share_of_the_loss_that_is_avoided() -> None:
    labels = np.zeros(4)
    ours, theirs = Scored(labels, np.full(4, 1.5)), Scored(labels, np.full(4, 2.0))
    (rmse,) = skills_against(ours, {"mean": theirs}, None, loss="rmse", seed=0)
    assert (rmse.value, rmse.baseline_value, rmse.skill) == (1.5, 2.0, 0.25)
    assert (rmse.low, rmse.high, rmse.is_surely_worse) == (None, None, False)
    (mae,) = skills_against(ours, {"mean": theirs}, None, loss="mae", seed=0)
    assert mae.skill == 0.25


def test_the_brier_score_of_two_classes_is_twice_the_binary_one() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0]), np.array([0.8, 0.3, 0.4])
    as_classes = Scored(labels, np.column_stack([1 - scores, scores]))
    assert row_losses("brier", as_classes) == pytest.approx(2 * row_losses("brier", Scored(labels, scores)))
    assert row_losses("brier", Scored(labels, scores)).mean() == pytest.approx(
        metric_value("brier", Scored(labels, scores))
    )


def test_a_class_never_seen_costs_all_that_can_be_lost_and_what_was_said() -> None:
    scored = Scored(np.array([2.0]), np.array([[0.6, 0.4]]))
    assert row_losses("brier", scored) == pytest.approx([1 + 0.36 + 0.16])


def test_the_best_baseline_comes_first_and_a_worse_model_is_surely_so() -> None:
    generator = np.random.default_rng(0)
    labels = generator.normal(size=2_000)
    naive = {
        "mean": Scored(labels, np.zeros(2_000)),
        "last_value": Scored(labels, labels + 0.3 * generator.normal(size=2_000)),
    }
    model = Scored(labels, labels + 0.6 * generator.normal(size=2_000))
    best, second = skills_against(model, naive, blocks(2_000), loss="rmse", seed=0)
    assert (best.baseline, second.baseline) == ("last_value", "mean")
    assert best.is_surely_worse
    assert best.skill == pytest.approx(-1, abs=0.1)
    assert best.low is not None
    assert best.high is not None
    assert best.low < best.skill < best.high < 0
    assert not second.is_surely_worse
    assert worse_than_baseline_text((best, second)).startswith(
        "The model is surely worse than the entity's last known value: rmse 0."
    )
    assert skill_text(second).startswith("surely better than always saying the mean")


def test_a_baseline_without_error_leaves_no_share_and_is_still_better() -> None:
    labels = np.arange(200.0)
    (found,) = skills_against(
        Scored(labels, labels + 1), {"last_value": Scored(labels, labels)}, blocks(200), loss="rmse", seed=0
    )
    assert (found.skill, found.low, found.high, found.is_surely_worse) == (None, None, None, True)
    (both,) = skills_against(
        Scored(labels, labels), {"last_value": Scored(labels, labels)}, blocks(200), loss="rmse", seed=0
    )
    assert not both.is_surely_worse
    assert worse_than_baseline_text((both,)) == ""


def test_a_model_as_good_as_the_baselines_is_seldom_called_worse() -> None:
    # 300 draws of three equal forecasts; at 5 % shared by two baselines 15 are expected, 27 and more in 0.2 %.
    n_called = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        labels = generator.normal(size=200)
        model, *naive = (Scored(labels, generator.normal(size=200)) for _ in range(3))
        found = skills_against(
            model, dict(zip(("mean", "last_value"), naive, strict=True)), blocks(200), loss="rmse", seed=seed
        )
        n_called += any(one.is_surely_worse for one in found)
    assert n_called < 27
