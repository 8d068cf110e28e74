"""The gate's verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from declaration.model import GateSpec, Metric
from learning.comparison import ScoredPair
from learning.gate import NON_INFERIORITY_MARGIN, GateVerdict, judge_challenger, newest_rows
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


def halves(pair: ScoredPair) -> ScoredPair:
    """The same rows as two windows."""
    n = pair.event_time_us.size
    return replace(pair, windows=np.arange(n) // (n // 2))


def judge(
    both: ScoredPair | None,
    *,
    gate: GateSpec | None = None,
    is_loss_confirmed: bool = False,
    has_champion: bool = True,
    holdout_metric: float = 0.8,
    metric: Metric = "roc_auc",
) -> GateVerdict:
    return judge_challenger(
        both,
        problem="binary",
        metric=metric,
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


def test_a_gain_in_the_metric_smaller_than_asked_for_keeps_the_champion() -> None:
    verdict = judge(scored_pair(challenger_noise=0.1, champion_noise=1.5), gate=GateSpec(min_gain=0.5))
    assert (verdict.is_promoted, verdict.outcome) == (False, "behind")
    assert "model.gate.min_gain asks for a gain of 0.5" in verdict.explanation
    assert judge(
        scored_pair(challenger_noise=0.1, champion_noise=1.5), gate=GateSpec(min_gain=0.01)
    ).is_promoted


def test_on_schedule_who_is_ahead_by_the_estimate_serves() -> None:
    # Ten days of thirty rows: nothing is sure of so small a difference.
    ahead = scored_pair(challenger_noise=0.45, champion_noise=0.55, n_days=10, per_day=30, seed=3)
    behind = replace(ahead, challenger=ahead.champion, champion=ahead.challenger)
    verdicts = [judge(one) for one in (ahead, behind)]
    assert sorted((one.is_promoted, one.outcome) for one in verdicts) == [(False, "behind"), (True, "ahead")]
    for one in verdicts:
        assert one.gain is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < 0 < one.high
        assert one.is_promoted == (one.gain > 0)
        assert one.measure == "log loss"


@pytest.mark.parametrize("consequence", ["keep", "promote"])
def test_an_open_test_needs_no_consequence_on_schedule(consequence: str) -> None:
    even = scored_pair(challenger_noise=0.5, champion_noise=0.5)
    asked, plain = judge(even, gate=GateSpec.model_validate({"inconclusive": consequence})), judge(even)
    assert asked == plain


def test_a_changed_prior_is_promoted_although_the_ranking_is_the_same() -> None:
    """The class prior fell from .5 to .2: the challenger has a third of the champion's Brier score, and its ROC AUC."""
    generator = np.random.default_rng(0)
    n = 1_000
    labels = (generator.random(n) < 0.2).astype(float)
    signal = 4 * labels + generator.normal(size=n)
    # By Bayes: the log odds of a row are 4 (signal - 2), plus those of the prior.
    champion, challenger = (1 / (1 + np.exp(-4 * (signal - 2) - odds)) for odds in (6.0, np.log(0.25)))
    pair = ScoredPair(
        Scored(labels, challenger), Scored(labels, champion), np.arange(n, dtype=np.int64) * 60_000_000
    )
    assert metric_value("roc_auc", pair.challenger) == pytest.approx(
        metric_value("roc_auc", pair.champion), abs=1e-9
    )
    assert metric_value("brier", pair.challenger) < metric_value("brier", pair.champion) / 3
    for is_loss_confirmed in (False, True):
        verdict = judge(halves(pair), is_loss_confirmed=is_loss_confirmed)
        assert verdict.is_promoted
    assert judge(halves(pair)).outcome == "superior"
    # A ranking that is a hair lower has no veto either, on schedule or after a loss.
    worse = np.where(np.arange(n) % 50 == 0, 1 - challenger, challenger)
    hair = replace(pair, challenger=Scored(labels, worse))
    assert metric_value("roc_auc", hair.challenger) < metric_value("roc_auc", hair.champion)
    assert judge(halves(hair)).is_promoted
    assert judge(halves(hair), is_loss_confirmed=True).is_promoted


def test_after_a_loss_an_accuracy_that_is_far_worse_keeps_its_veto() -> None:
    """The champion is too sure of its 20 % of mistakes (log loss 1.38), the challenger right in 60 % and never sure (0.67)."""
    n = 1_000
    labels = (np.arange(n) % 2).astype(float)
    is_hit, is_hit_too = np.arange(n) % 10 >= 2, np.arange(n) % 10 >= 4
    champion = np.where(is_hit, np.where(labels == 1, 0.999, 0.001), np.where(labels == 1, 0.001, 0.999))
    challenger = np.where(is_hit_too, np.where(labels == 1, 0.6, 0.4), np.where(labels == 1, 0.4, 0.6))
    pair = ScoredPair(
        Scored(labels, challenger), Scored(labels, champion), np.arange(n, dtype=np.int64) * 60_000_000
    )
    verdict = judge(pair, metric="accuracy", is_loss_confirmed=True)
    assert (verdict.is_promoted, verdict.outcome) == (False, "worse")
    assert judge(pair, metric="accuracy").is_promoted


def test_who_is_surely_worse_on_the_newest_window_does_not_serve() -> None:
    """Poison: by far better on the window that has it, surely worse on the sound one; together ahead."""
    poisoned, sound = (
        scored_pair(challenger_noise=one, champion_noise=other, n_days=10)
        for one, other in ((0.1, 3.0), (1.5, 0.1))
    )
    both = [
        Scored(np.append(one.labels, other.labels), np.append(one.scores, other.scores))
        for one, other in ((poisoned.challenger, sound.challenger), (poisoned.champion, sound.champion))
    ]
    instants = np.append(poisoned.event_time_us, sound.event_time_us + 10 * DAY)
    pair = ScoredPair(*both, instants, np.repeat([3, 4], 500))
    verdict = judge(pair)
    assert verdict.gain is not None
    assert verdict.gain > 0
    assert (verdict.is_promoted, verdict.outcome) == (False, "worse")
    assert "surely worse on 500 of the newest window" in verdict.explanation
    assert judge(replace(pair, windows=np.repeat([4, 3], 500))).is_promoted


def test_a_newest_window_of_few_rows_is_looked_at_with_the_one_before() -> None:
    pair = scored_pair(challenger_noise=0.5, champion_noise=0.5, n_days=4)
    windows = np.repeat([0, 1, 2], [100, 60, 40])
    # 40 rows are fewer than 50.
    assert newest_rows(replace(pair, windows=windows)).tolist() == list(range(100, 200))
    assert newest_rows(replace(pair, windows=np.repeat([0, 1], [150, 50]))).tolist() == list(range(150, 200))
    assert newest_rows(replace(pair, windows=None)).size == 200


def test_after_a_confirmed_loss_being_no_worse_suffices() -> None:
    even = scored_pair(challenger_noise=0.51, champion_noise=0.5, n_days=200, per_day=100)
    assert judge(even).outcome == "behind"
    verdict = judge(even, is_loss_confirmed=True)
    assert (verdict.is_promoted, verdict.outcome) == (True, "non-inferior")
    assert verdict.low is not None
    assert -NON_INFERIORITY_MARGIN < verdict.low <= 0


def test_after_a_confirmed_loss_a_worse_challenger_is_still_refused() -> None:
    verdict = judge(scored_pair(challenger_noise=1.5, champion_noise=0.1), is_loss_confirmed=True)
    assert (verdict.is_promoted, verdict.outcome) == (False, "worse")


def test_after_a_confirmed_loss_an_open_test_goes_to_who_is_ahead() -> None:
    ahead = scored_pair(challenger_noise=0.45, champion_noise=0.55, n_days=10, per_day=30, seed=3)
    behind = replace(ahead, challenger=ahead.champion, champion=ahead.challenger)
    verdicts = [judge(one, is_loss_confirmed=True) for one in (ahead, behind)]
    assert [one.outcome for one in verdicts] == ["inconclusive"] * 2
    assert {one.measure for one in verdicts} == {"roc_auc"}
    assert sorted(one.is_promoted for one in verdicts) == [False, True]
    assert all(one.is_promoted == (one.gain is not None and one.gain >= 0) for one in verdicts)


@pytest.mark.parametrize(("n_rows", "unit"), [(480, "runs"), (100, "runs"), (60, "too few for an interval")])
@pytest.mark.parametrize("is_loss_confirmed", [False, True])
def test_rows_a_minute_apart_decide_too(n_rows: int, unit: str, is_loss_confirmed: bool) -> None:
    """In partitions of rows a row is a minute: 480 of them are eight hours, and there is an answer with fewer."""
    better = scored_pair(challenger_noise=0.1, champion_noise=3.0, n_days=1, per_day=n_rows)
    minutes = np.arange(n_rows, dtype=np.int64) * 60_000_000 - 90_000_000
    for pair, is_promoted in (
        (replace(better, event_time_us=minutes), True),
        (ScoredPair(better.champion, better.challenger, minutes), False),
    ):
        verdict = judge(pair, is_loss_confirmed=is_loss_confirmed)
        assert verdict.is_promoted == is_promoted
        assert verdict.outcome == ("superior" if is_promoted else "worse")
        assert unit in verdict.explanation or n_rows == 480


def test_one_class_is_enough_to_compare_probabilities() -> None:
    sure, unsure = (Scored(np.zeros(300), np.full(300, p)) for p in (0.01, 0.3))
    days = np.repeat(np.arange(10, dtype=np.int64), 30) * DAY
    assert judge(ScoredPair(sure, unsure, days)).is_promoted
    assert not judge(ScoredPair(unsure, sure, days), is_loss_confirmed=True).is_promoted


@pytest.mark.parametrize(("consequence", "is_promoted"), [("keep", False), ("promote", True)])
def test_where_nothing_can_be_compared_a_person_is_asked_or_it_is_promoted(
    consequence: str, is_promoted: bool
) -> None:
    verdict = judge(None, gate=GateSpec.model_validate({"inconclusive": consequence}))
    assert (verdict.is_promoted, verdict.outcome) == (is_promoted, "inconclusive")
    assert "has not learned from" in verdict.explanation
    assert ("until a person decides" in verdict.explanation) != is_promoted


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
    wrongly_sure_by_rows = wrongly_sure = 0
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
        wrongly_sure += verdict.outcome in ("superior", "worse")
        gains = (labels - over) ** 2 - (labels - of) ** 2
        wrongly_sure_by_rows += int(stats.ttest_1samp(gains, 0, alternative="greater").pvalue < 0.05)
    # 5 % of 120 on each side are 12; 21 would have a chance below 1 % (binomial).
    assert wrongly_sure < 21
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
            is_loss_confirmed=True,
            has_champion=True,
            seed=0,
        ).explanation

    gain = metric_value(metric, far) - metric_value(metric, near)
    assert said(near, far).startswith(f"{metric} lower by {gain:.4f} (90% interval: lower by ")
    assert said(far, near).startswith(f"{metric} higher by {gain:.4f} (90% interval: higher by ")
    assert said(near, near).startswith(f"{metric} the same (90% interval: the same, 40 days)")


@pytest.mark.parametrize("is_loss_confirmed", [False, True])
def test_a_metric_that_is_undefined_on_the_compared_rows_leaves_it_to_the_errors(
    is_loss_confirmed: bool,
) -> None:
    flat, near = (Scored(np.ones(400), 1 + width * np.linspace(-1, 1, 400)) for width in (1.0, 0.5))
    days = np.repeat(np.arange(40, dtype=np.int64), 10) * DAY
    verdict = judge_challenger(
        ScoredPair(near, flat, days),
        problem="regression",
        metric="r2",
        holdout_metric=0.5,
        gate=GateSpec(),
        is_loss_confirmed=is_loss_confirmed,
        has_champion=True,
        seed=0,
    )
    assert verdict.is_promoted
    # A third of 1 less a third of a quarter: the mean of squares of even steps from -1 to 1 is a third, and a bit.
    assert verdict.explanation.startswith("mean squared error lower by 0.2513 on 400 rows")
    assert "r2" not in verdict.explanation
