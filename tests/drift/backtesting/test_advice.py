"""Tests of the advice: a setting only where it is surely better; oracles are arithmetic and worlds that are known."""

from __future__ import annotations

import numpy as np
import pytest

from declaration.drift import DriftSpec, RetrainSpec, RetrainTrigger
from declaration.model import ModelSpec
from drift.backtesting.advice import Advice, advise
from drift.backtesting.course import live
from drift.backtesting.declared import Declared
from drift.backtesting.grid import (
    AS_DECLARED,
    Blocks,
    Kind,
    Line,
    declared_line,
    plain_lines,
    setting_lines,
)
from drift.backtesting.history import History
from drift.backtesting.outcome import Outcome, outcome_of
from drift.backtesting.plain import Never
from drift.backtesting.trainer import Trainer
from learning.metrics import Floats
from tests.drift.backtesting.worlds import world

N = 20


def outcome(loss: Floats, metric: Floats | None = None) -> Outcome:
    values = 1 - loss if metric is None else metric
    return Outcome(values, loss, tuple(range(loss.size)), 3, (1, 2, 3), 3, 0, 0, 1.0)


def line(name: str, kind: Kind) -> Line:
    return Line(name, kind, Never, {("retrain", "max_age"): 10} if kind == "setting" else {})


def advised(*others: tuple[str, Kind, Outcome]) -> Advice:
    base = outcome(np.full(N, 0.5))
    lines = [
        (line(AS_DECLARED, "declared"), base),
        *((line(name, kind), found) for name, kind, found in others),
    ]
    return advise(lines, "binary", "roc_auc")


NOISE = np.tile([0.01, -0.01], N // 2)


def test_the_setting_of_the_greatest_sure_gain_is_recommended() -> None:
    found = advised(
        ("little", "setting", outcome(0.47 + NOISE)),
        ("much", "setting", outcome(0.40 + NOISE)),
        ("plain", "plain", outcome(0.10 + NOISE)),
    )
    assert found.recommended is not None
    assert found.recommended.line.name == "much"
    assert found.ahead is None


def test_what_is_sure_and_too_little_is_not_recommended() -> None:
    found = advised(("hair", "setting", outcome(0.497 + NOISE / 100)))
    assert found.compared[1].loss is not None
    assert found.compared[1].loss.is_surely_better
    assert found.recommended is None
    assert found.ahead is not None


def test_a_better_score_with_a_surely_worse_metric_is_not_recommended() -> None:
    found = advised(("odd", "setting", outcome(0.40 + NOISE, np.full(N, 0.3) + NOISE)))
    assert found.recommended is None


def test_more_settings_need_more() -> None:
    # 0.084 is sure alone, and 0.208 among 21: Student at five blocks of four windows, their standard error 0.0304.
    wide = np.random.default_rng(0).normal(scale=0.1, size=N)
    tried = ("tried", "setting", outcome(0.5 - 0.12 + wide - wide.mean()))
    assert advised(tried).recommended is not None
    others: list[tuple[str, Kind, Outcome]] = [
        (f"other {place}", "setting", outcome(np.full(N, 0.5) + NOISE)) for place in range(20)
    ]
    found = advised(tried, *others)
    assert found.recommended is None
    assert found.n_tests == 21
    # Those that a budget has cut keep their share.
    lines = [(one.line, one.outcome) for one in advised(tried).compared]
    assert advise(lines, "binary", "roc_auc", n_cut=20).recommended is None


def test_no_setting_says_what_is_declared() -> None:
    blocks = Blocks(ModelSpec(), DriftSpec(), RetrainSpec())
    changes = [dict(one.changes) for one in setting_lines(blocks, lookback=12, delay=2)]
    assert {("retrain", "max_age"): 3} not in changes
    assert {("model", "train_window"): 10} in changes
    # Each window: the declared cooldown of one would make it every second.
    assert {("retrain", "max_age"): 1, ("retrain", "cooldown"): 0} in changes
    # What costs most is tried last.
    assert changes[-1] == {("retrain", "on"): ("performance", "schedule", "drift")}
    sliding = Blocks(ModelSpec(train_window=5), DriftSpec(), RetrainSpec(max_age=10))
    changes = [dict(one.changes) for one in setting_lines(sliding, lookback=12, delay=0)]
    assert {("model", "train_window"): None} in changes
    assert {("retrain", "max_age"): 10} not in changes
    assert sliding.changed({("model", "train_window"): None}).model.train_window is None


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (("performance",), "retrain.on: [performance, drift]"),
        (("drift", "schedule"), "retrain.on: [schedule]"),
        (("drift",), "retrain.on: [performance, schedule]"),
    ],
)
def test_drift_is_tried_where_it_does_not_ask_and_left_out_where_it_does(
    declared: tuple[RetrainTrigger, ...], name: str
) -> None:
    blocks = Blocks(ModelSpec(), DriftSpec(), RetrainSpec(on=declared))
    *_, last = setting_lines(blocks, lookback=12, delay=0)
    assert last.name == name
    policy = last.make()
    assert isinstance(policy, Declared)
    # Drift is judged where it may ask, and only there.
    assert policy.watches == ("drift" in name)


RETRAIN = RetrainSpec(min_new_labels=100, max_age=1, cooldown=0)
DRIFT = DriftSpec(min_rows=100)


def lived(history: History, model: ModelSpec, *, only: tuple[str, ...] = ()) -> Advice:
    """Live through the grid as the command does."""
    blocks = Blocks(model, DRIFT, RETRAIN)
    trainer = Trainer(history, model)
    declared = declared_line(blocks, 12)
    first = outcome_of(history, live(history, declared.make(), trainer), "roc_auc")
    lines = [*setting_lines(blocks, lookback=12, delay=0)]
    if not only:
        lines += plain_lines(history, blocks, n_trainings=first.n_trainings, step=1, delay=0)
    found = [
        (one, outcome_of(history, live(history, one.make(), trainer), "roc_auc"))
        for one in lines
        if not only or one.name in only
    ]
    return advise([(declared, first), *found], "binary", "roc_auc")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_where_weights_turn_all_the_time_a_sliding_window_is_recommended(seed: int) -> None:
    history = world(
        seed, n_windows=44, n_rows=300, n_history=8, angle=lambda window: 0.12 * window, scale=4.0
    )
    model = ModelSpec(candidates=("logistic_regression",), adapt_window=False)
    found = lived(history, model, only=("model.train_window: 8", "retrain.max_age: 10"))
    assert found.recommended is not None
    assert found.recommended.line.changes == {("model", "train_window"): 8}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
def test_where_nothing_changes_nothing_is_recommended(seed: int) -> None:
    history = world(seed, n_windows=30, n_rows=200)
    found = lived(history, ModelSpec(candidates=("logistic_regression",)))
    assert found.recommended is None
