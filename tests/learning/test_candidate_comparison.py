"""Candidates on the same rows: intervals, gaps to the best, and the tests that are offered."""

from __future__ import annotations

import numpy as np
import pytest

from learning.blocks import metric_interval
from learning.candidate_comparison import Gap, JudgedRows, gaps_to_best, metric_intervals
from learning.metrics import Scored

DAY = 86_400_000_000


def rows(n_days: int = 30, per_day: int = 20, *, folds: str = "runs") -> JudgedRows:
    n = n_days * per_day
    instants = np.repeat(np.arange(n_days), per_day) * DAY + np.tile(np.arange(per_day), n_days)
    fold = np.arange(n) * 25 // n % 5 if folds == "runs" else np.arange(n) * 2 // n
    return JudgedRows(instants, np.arange(n), fold, 0.25)


def candidates(
    noises: tuple[float, ...], n: int = 600, *, shared: float = 0.0, seed: int = 0
) -> dict[str, Scored]:
    """Models that see the truth through noise, some of which all rows of a day share."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    labels = (truth + generator.normal(size=n) > 0).astype(float)
    found = {}
    for place, noise in enumerate(noises):
        of_day = shared * np.repeat(generator.normal(size=n // 20), 20)
        logits = truth + of_day + noise * generator.normal(size=n)
        found[f"m{place}"] = Scored(labels, 1 / (1 + np.exp(-logits)))
    return found


def test_intervals_are_those_of_one_metric_at_a_time() -> None:
    scored, at = candidates((0.5,))["m0"], rows().event_time_us
    found = metric_intervals("binary", scored, at, seed=0)
    assert list(found) == ["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro"]
    for metric, interval in found.items():
        assert interval == pytest.approx(metric_interval(metric, scored, at, seed=0))


def test_too_few_rows_have_no_interval() -> None:
    assert metric_intervals("binary", candidates((0.5,), n=60)["m0"], np.arange(60), seed=0) == {}


def test_gaps_are_to_the_best_and_in_order() -> None:
    found = gaps_to_best("binary", "roc_auc", candidates((1.0, 0.1, 3.0)), rows(), seed=0)
    assert [(one.candidate, one.best) for one in found] == [("m0", "m1"), ("m2", "m1")]
    assert 0 < found[0].gap < found[1].gap
    worst = found[1]
    assert worst.low is not None
    assert worst.high is not None
    assert worst.low < worst.gap < worst.high
    assert worst.p_value is not None
    assert worst.p_value < 0.001


def test_an_error_has_positive_gaps_too() -> None:
    (found,) = gaps_to_best("binary", "log_loss", candidates((2.0, 0.1)), rows(), seed=0)
    assert (found.candidate, found.best) == ("m0", "m1")
    assert found.gap > 0


def test_of_equal_models_few_are_surely_behind() -> None:
    """Five models that are equally good: the best by chance is rarely surely better than another, days alike or not."""
    n_found = sum(
        any(one.p_value is not None and one.p_value < 0.05 for one in compared(seed)) for seed in range(60)
    )
    # 5 % of 60 are 3; 3 standard errors more are 8.
    assert n_found <= 8


def compared(seed: int) -> tuple[Gap, ...]:
    equal = candidates((0.7,) * 5, shared=0.7, seed=seed)
    return gaps_to_best("binary", "log_loss", equal, rows(), seed=0)


def test_tests_of_independent_rows_are_offered_where_rows_are_independent() -> None:
    (found,) = gaps_to_best("binary", "roc_auc", candidates((0.2, 3.0)), rows(), seed=0)
    assert [(one.name, one.fault) for one in found.tests] == [
        ("DeLong", ""), ("McNemar", ""), ("corrected resampled t", "")
    ]  # fmt: skip
    for one in found.tests:
        assert one.result is not None
        assert one.result.p_value < 0.01


def test_they_are_not_where_rows_of_a_day_are_alike() -> None:
    """The one model knows nothing of every third day."""
    sound = candidates((0.2,))["m0"]
    is_lost = np.arange(600) // 20 % 3 == 0
    lost = Scored(sound.labels, np.where(is_lost, 1 - sound.scores, sound.scores))
    (found,) = gaps_to_best("binary", "roc_auc", {"sound": sound, "lost": lost}, rows(), seed=0)
    by_name = {one.name: one for one in found.tests}
    for name in ("DeLong", "McNemar"):
        assert by_name[name].result is None
        assert by_name[name].fault.startswith("rows of one day are alike")


def test_folds_of_time_are_not_drawn_at_random() -> None:
    (found,) = gaps_to_best("binary", "roc_auc", candidates((0.2, 3.0)), rows(folds="windows"), seed=0)
    assert found.tests[-1].result is None
    assert "spans of time that follow each other" in found.tests[-1].fault


def test_a_regression_is_offered_no_test_of_classes() -> None:
    labels = np.random.default_rng(0).normal(size=600)
    both = {"near": Scored(labels, labels * 0.9), "far": Scored(labels, labels * 0.1)}
    (found,) = gaps_to_best("regression", "rmse", both, rows(), seed=0)
    assert [one.name for one in found.tests] == ["corrected resampled t"]


def test_one_candidate_has_no_rival() -> None:
    assert gaps_to_best("binary", "roc_auc", candidates((0.2,)), rows(), seed=0) == ()
