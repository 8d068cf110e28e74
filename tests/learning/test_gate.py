"""The gate's verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from declaration.model import GateSpec, Metric
from learning.comparison import ScoredPair
from learning.gate import NON_INFERIORITY_MARGIN, GateVerdict, judge_challenger
from learning.metrics import Scored, metric_value

DAY = 86_400_000_000


def scored_pair(
    *, challenger_noise: float, champion_noise: float, n_days: int = 40, per_day: int = 50, seed: int = 0
) -> ScoredPair:
    """Build two models that see the truth through more or less noise."""
    generator = np.random.default_rng(seed)
    n_rows = n_days * per_day
    truth = generator.normal(size=n_rows)
    labels = (truth + generator.normal(size=n_rows) > 0).astype(float)
    of, over = (
        1 / (1 + np.exp(-truth - noise * generator.normal(size=n_rows)))
        for noise in (challenger_noise, champion_noise)
    )
    events = np.repeat(np.arange(n_days, dtype=np.int64), per_day) * DAY
    return ScoredPair(Scored(labels, of), Scored(labels, over), events)


def judge(
    both: ScoredPair | None,
    *,
    gate: GateSpec | None = None,
    is_loss_confirmed: bool = False,
    has_champion: bool = True,
    holdout_metric: float = 0.8,
) -> GateVerdict:
    return judge_challenger(
        both,
        problem="binary",
        metric="roc_auc",
        holdout_metric=holdout_metric,
        gate=gate or GateSpec(),
        is_loss_confirmed=is_loss_confirmed,
        has_champion=has_champion,
        seed=0,
    )


def test_the_first_model_serves() -> None:
    verdict = judge(None, has_champion=False)
    assert (verdict.is_promoted, verdict.outcome) == (True, "first")


def test_a_first_model_below_the_floor_does_not_serve() -> None:
    verdict = judge(None, has_champion=False, holdout_metric=0.6, gate=GateSpec(min_metric=0.65))
    assert (verdict.is_promoted, verdict.outcome) == (False, "below floor")
    assert "roc_auc 0.6000" in verdict.explanation
    assert "at least 0.65" in verdict.explanation


def test_a_floor_of_an_error_is_a_ceiling() -> None:
    verdict = judge_challenger(
        None,
        problem="regression",
        metric="rmse",
        holdout_metric=3.0,
        gate=GateSpec(min_metric=2.0),
        is_loss_confirmed=False,
        has_champion=False,
        seed=0,
    )
    assert verdict.outcome == "below floor"
    assert "at most 2" in verdict.explanation


def test_a_clearly_better_challenger_is_promoted() -> None:
    verdict = judge(scored_pair(challenger_noise=0.1, champion_noise=1.5))
    assert (verdict.is_promoted, verdict.outcome) == (True, "superior")
    assert verdict.low is not None
    assert verdict.gain is not None
    assert verdict.high is not None
    assert 0 < verdict.low < verdict.gain < verdict.high
    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    assert verdict.n_blocks == 40


def test_a_clearly_worse_challenger_is_not() -> None:
    verdict = judge(scored_pair(challenger_noise=1.5, champion_noise=0.1))
    assert (verdict.is_promoted, verdict.outcome) == (False, "worse")


def test_a_gain_smaller_than_asked_for_is_inconclusive() -> None:
    verdict = judge(scored_pair(challenger_noise=0.1, champion_noise=1.5), gate=GateSpec(min_gain=0.5))
    assert (verdict.is_promoted, verdict.outcome) == (False, "inconclusive")


@pytest.mark.parametrize(("consequence", "is_promoted"), [("keep", False), ("promote", True)])
def test_an_open_test_has_the_declared_consequence(consequence: str, is_promoted: bool) -> None:
    even = scored_pair(challenger_noise=0.5, champion_noise=0.5)
    verdict = judge(even, gate=GateSpec.model_validate({"inconclusive": consequence}))
    assert (verdict.is_promoted, verdict.outcome) == (is_promoted, "inconclusive")


def test_after_a_confirmed_loss_being_no_worse_suffices() -> None:
    even = scored_pair(challenger_noise=0.5, champion_noise=0.5, n_days=200, per_day=100)
    assert judge(even).outcome == "inconclusive"
    verdict = judge(even, is_loss_confirmed=True)
    assert (verdict.is_promoted, verdict.outcome) == (True, "non-inferior")
    assert verdict.low is not None
    assert -NON_INFERIORITY_MARGIN < verdict.low <= 0


def test_after_a_confirmed_loss_a_worse_challenger_is_still_refused() -> None:
    verdict = judge(scored_pair(challenger_noise=1.5, champion_noise=0.1), is_loss_confirmed=True)
    assert (verdict.is_promoted, verdict.outcome) == (False, "worse")


def test_after_a_confirmed_loss_an_open_test_goes_to_who_is_ahead() -> None:
    ahead = scored_pair(challenger_noise=0.45, champion_noise=0.55, n_days=10, per_day=30, seed=3)
    behind = ScoredPair(ahead.champion, ahead.challenger, ahead.event_time_us)
    verdicts = [judge(one, is_loss_confirmed=True) for one in (ahead, behind)]
    assert [one.outcome for one in verdicts] == ["inconclusive"] * 2
    assert sorted(one.is_promoted for one in verdicts) == [False, True]
    assert all(one.is_promoted == (one.gain is not None and one.gain >= 0) for one in verdicts)


def test_a_handful_of_hours_decides_nothing() -> None:
    short = scored_pair(challenger_noise=0.1, champion_noise=1.5, n_days=5)
    verdict = judge(short)
    assert verdict.outcome == "inconclusive"
    assert "5 hours to compare on" in verdict.explanation


def test_nothing_to_compare_on_decides_nothing() -> None:
    verdict = judge(None)
    assert (verdict.is_promoted, verdict.outcome) == (False, "inconclusive")
    assert "has not learned from" in verdict.explanation


def test_a_verdict_does_not_depend_on_the_order_of_rows() -> None:
    both = scored_pair(challenger_noise=0.4, champion_noise=0.6)
    order = np.random.default_rng(9).permutation(both.event_time_us.size)
    shuffled = ScoredPair(
        Scored(both.challenger.labels[order], both.challenger.scores[order]),
        Scored(both.champion.labels[order], both.champion.scores[order]),
        both.event_time_us[order],
    )
    one, other = judge(both), judge(shuffled)
    assert one.low == pytest.approx(other.low)
    assert one.outcome == other.outcome


def test_days_are_drawn_and_not_rows() -> None:
    """Models that are equal in the long run, with errors alike within a day: rows would be sure, days are not."""
    wrongly_sure_by_rows = wrongly_promoted = 0
    n_days, per_day, n_worlds = 20, 200, 120
    events = np.repeat(np.arange(n_days, dtype=np.int64), per_day) * DAY
    for seed in range(n_worlds):
        generator = np.random.default_rng(seed)
        labels = generator.normal(size=n_days * per_day)
        by_day = generator.normal(size=(2, n_days)).repeat(per_day, axis=1)
        of, over = (labels + day + generator.normal(size=labels.size) for day in by_day)
        verdict = judge_challenger(
            ScoredPair(Scored(labels, of), Scored(labels, over), events),
            problem="regression",
            metric="mae",
            holdout_metric=1.0,
            gate=GateSpec(),
            is_loss_confirmed=False,
            has_champion=True,
            seed=seed,
        )
        wrongly_promoted += verdict.is_promoted
        gains = np.abs(labels - over) - np.abs(labels - of)
        wrongly_sure_by_rows += int(stats.ttest_1samp(gains, 0, alternative="greater").pvalue < 0.05)
    # 5 % of 120 are 6; 12 would have a chance below 2 % (binomial).
    assert wrongly_promoted < 12
    assert wrongly_sure_by_rows > 40


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_a_gain_in_an_error_is_an_error_that_is_lower(metric: Metric) -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(100, 10, 2_000)
    near, far = (Scored(truth, truth + noise * generator.normal(size=2_000)) for noise in (1, 3))
    days = np.repeat(np.arange(40, dtype=np.int64), 50) * DAY

    def said(of: Scored, over: Scored) -> str:
        return judge_challenger(
            ScoredPair(of, over, days),
            problem="regression",
            metric=metric,
            holdout_metric=1.0,
            gate=GateSpec(),
            is_loss_confirmed=False,
            has_champion=True,
            seed=0,
        ).explanation

    gain = metric_value(metric, far) - metric_value(metric, near)
    assert said(near, far).startswith(f"{metric} lower by {gain:.4f} (90% interval: lower by ")
    assert said(far, near).startswith(f"{metric} higher by {gain:.4f} (90% interval: higher by ")
    assert said(near, near).startswith(f"{metric} the same (90% interval: the same, 40 days)")


def test_a_metric_that_is_undefined_on_the_compared_rows_decides_nothing() -> None:
    flat = Scored(np.ones(400), np.linspace(0, 1, 400))
    days = np.repeat(np.arange(40, dtype=np.int64), 10) * DAY
    verdict = judge_challenger(
        ScoredPair(flat, flat, days),
        problem="regression",
        metric="r2",
        holdout_metric=0.5,
        gate=GateSpec(),
        is_loss_confirmed=False,
        has_champion=True,
        seed=0,
    )
    assert (verdict.is_promoted, verdict.outcome) == (False, "inconclusive")
    assert verdict.explanation.startswith("r2 is undefined on 400 rows with labels [1.0]")
